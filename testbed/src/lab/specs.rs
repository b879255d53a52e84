//! What each region's process of people and applications is told at its start ([`super::crowd`] starts it): its applications
//! with their secrets, its people with what they type where, and whom it probes.

use std::net::SocketAddr;

use mangrove_config::{Config, Connector};
use url::Url;

use super::addresses::PORT;
use super::configs::{AppProof, Client, Protocol};
use super::foreign::Provider;
use super::idp::Somebody;
use super::mesh::{Draft, MeshError};
use super::{configs, describe, foreign};
use crate::agent::app::sign_out;
use crate::agent::spec::{Account, AppSpec, PersonSpec, ProbeSpec, SignsOut, Spec};
use crate::history::{Micros, micros};
use crate::language::{App, AppKind, Idp, People, host};

/// Between two TCP probes of one server from one region.
const PROBE_INTERVAL: Micros = 500_000;

impl Draft<'_> {
    /// For each region, in their order.
    pub(super) fn specs(&mut self) -> Result<Vec<Spec>, MeshError> {
        let settings = &self.topology.settings;
        let topology = self.topology;
        for people in &topology.people {
            if let Err(problem) = self.beginning(people) {
                let place = format!("{}:{}", topology.file.display(), people.line);
                self.problems.push(format!("{place}: people.begins: {problem}"));
            }
        }
        topology
            .regions
            .iter()
            .map(|region| {
                Ok(Spec {
                    region: region.clone(),
                    ca_pem: self.authority.certificate_pem(),
                    apps: self.apps_in(region),
                    people: self.people_in(region)?,
                    chromium: None,
                    probes: self.probes_from(region),
                    probe_interval_us: PROBE_INTERVAL,
                    patience_us: micros(settings.patience),
                    restarts: 3,
                    seed: settings.seed,
                })
            })
            .collect()
    }

    fn apps_in(&mut self, region: &str) -> Vec<AppSpec> {
        let mut specs = Vec::new();
        for app in self.topology.apps.iter().filter(|app| app.region == region) {
            let Some(config) = self.configs.get(&app.at) else { continue };
            let callback = format!("https://{}{}", host(&app.name), app.kind.callback());
            let proof = configs::relying_party(config, &app.at, &app.client, &callback);
            let proof = proof.and_then(|proof| match (&proof, app.kind) {
                (AppProof::Key, AppKind::Lab | AppKind::Oauth2Proxy) => {
                    Err("an application of this kind has no key: write `kind: openid-client`".to_owned())
                }
                _ => Ok(proof),
            });
            let proof = proof.and_then(|proof| self.way_out(app, config).map(|()| proof));
            let (Some(address), Some(leaf)) = (self.plan.address(&app.name), self.leaves.get(&app.name))
            else {
                continue;
            };
            match proof {
                Err(problem) => {
                    let place = format!("{}:{}", self.topology.file.display(), app.line);
                    self.problems.push(format!("{place}: apps.{}: {problem}", app.name));
                }
                Ok(proof) => specs.push(AppSpec {
                    name: app.name.clone(),
                    host: host(&app.name),
                    listen: SocketAddr::from((address, PORT)),
                    certificate_pem: leaf.certificate_pem.clone(),
                    key_pem: leaf.key_pem.clone(),
                    issuer: issuer(config, &app.at),
                    client_id: app.client.clone(),
                    has_a_key: proof == AppProof::Key,
                    client_secret: match proof {
                        AppProof::Secret(secret) => Some(secret),
                        AppProof::Key | AppProof::Nothing => None,
                    },
                    scope: format!("openid profile email{}", if app.renews { " offline_access" } else { "" }),
                }),
            }
        }
        specs
    }

    fn people_in(&self, region: &str) -> Result<Vec<PersonSpec>, MeshError> {
        let everybody = describe::everybody(self.topology);
        let here = everybody.zip(&self.people).filter(|(seat, _)| seat.people.region == region);
        here.map(|(seat, somebody)| (seat.people, seat, somebody))
            .map(|(people, seat, somebody)| {
                Ok(PersonSpec {
                    name: somebody.name.clone(),
                    accounts: self.accounts(somebody)?,
                    app: people.app.clone(),
                    url: format!("https://{}/", host(&people.app)),
                    begins: self.beginning(people).ok().flatten(),
                    every_us: micros(people.sign_in_every),
                    keep_session: people.keep_session,
                    sign_out: self.sign_out(people),
                    chromium: seat.real(),
                    twin_of: seat.twin_of.map(|other| self.people[other].name.clone()),
                })
            })
            .collect()
    }

    /// The address at which these people begin, if that is at an identity provider. The error says what to write in the
    /// configuration of their application's node.
    fn beginning(&self, people: &People) -> Result<Option<String>, String> {
        let Some(idp) = &people.begins else { return Ok(None) };
        let app = self.topology.apps.iter().find(|app| app.name == people.app);
        let kind = self.topology.idps.iter().find(|it| it.name == *idp).map(|it| it.kind);
        let (Some(app), Some(provider)) = (app, kind.and_then(foreign::provider)) else { return Ok(None) };
        let Some(config) = self.configs.get(&app.at) else { return Ok(None) };
        let asking = configs::asking(&[idp], config);
        let allowed = asking.iter().find_map(|(connector, ..)| match connector {
            Connector::Saml(saml) if saml.allow_idp_initiated => Some(saml),
            _ => None,
        });
        let saml = allowed.ok_or_else(|| {
            format!(
                "{} has no connector of `type: saml` that asks {idp} and says `allowIDPInitiated: true`",
                app.at
            )
        })?;
        let client = Client::new(Protocol::Saml, &saml.entity_id, None);
        Ok(provider.begins(idp, &client, &app.client))
    }

    /// Whoever signs out at an application is led back to it.
    fn way_out(&self, app: &App, config: &Config) -> Result<(), String> {
        let here = |people: &&People| people.app == app.name;
        let mut habits =
            self.topology.people.iter().filter(here).filter_map(|people| people.sign_out.as_ref());
        let back = format!("https://{}{}", host(&app.name), sign_out::BACK);
        if habits.all(|habit| habit.at.is_some()) || configs::leads_back(config, &app.client, &back) {
            return Ok(());
        }
        let node = &app.at;
        Err(format!(
            "people sign out here, and {node}'s application `{}` lacks `postLogoutRedirectURLs: [{back}]`",
            app.client
        ))
    }

    /// How these people sign out.
    fn sign_out(&self, people: &People) -> Option<SignsOut> {
        let habit = people.sign_out.as_ref()?;
        let app = self.topology.apps.iter().find(|app| app.name == people.app)?;
        let page = |path: &str| format!("https://{}{path}", host(&app.name));
        let (url, asked) = match (&habit.at, app.kind) {
            (Some(idp), _) => (foreign::sign_out_page(idp, &page("/me")), Some(page("/tokens"))),
            (None, AppKind::Lab | AppKind::OpenidClient) => (page("/sign-out"), Some(page("/me"))),
            // Every page of the proxy's begins a login.
            (None, AppKind::Oauth2Proxy) => (self.out_of_the_proxy(app)?, None),
        };
        Some(SignsOut { after_us: micros(habit.every), url, at: habit.at.clone(), page: asked })
    }

    /// oauth2-proxy ends its own session and then leads where it is told: to the node's logout, which leads back.
    fn out_of_the_proxy(&self, app: &App) -> Option<String> {
        let page = |path: &str| Url::parse(&format!("https://{}{path}", host(&app.name))).ok();
        let mut node =
            configs::end_session(self.configs.get(&app.at)?, &issuer(self.configs.get(&app.at)?, &app.at))?;
        let back = page(sign_out::BACK)?;
        node.query_pairs_mut()
            .append_pair("client_id", &app.client)
            .append_pair("post_logout_redirect_uri", back.as_str());
        let mut out = page("/oauth2/sign_out")?;
        out.query_pairs_mut().append_pair("rd", node.as_str());
        Some(out.into())
    }

    /// What somebody types at which page.
    fn accounts(&self, somebody: &Somebody) -> Result<Vec<Account>, MeshError> {
        let mut accounts = Vec::new();
        for idp in &self.topology.idps {
            let member = somebody.at(idp).map_err(MeshError::Lab)?;
            accounts.extend(self.pages_of(idp).into_iter().map(|(host, of)| {
                let (username, password) = (member.username.clone(), member.password.clone());
                Account { host, of, username, password }
            }));
        }
        Ok(accounts)
    }

    /// Where the password of this IdP is asked for: a host, and words on the page that say whose it is. An IdP that browsers reach
    /// asks by itself; for a directory each node asks, under the title that its configuration gives the directory.
    fn pages_of(&self, idp: &Idp) -> Vec<(String, Option<String>)> {
        if foreign::provider(idp.kind).is_none_or(Provider::by_browser) {
            return vec![(host(&idp.name), None)];
        }
        if idp.replica_of.is_some() {
            return Vec::new();
        }
        let servers = self.topology.servers_of(idp.directory());
        let mut pages = Vec::new();
        for (node, config) in &self.configs {
            for (connector, ..) in configs::asking(&servers, config) {
                pages.extend(configs::title_of(connector).map(|title| (host(node), Some(title))));
            }
        }
        pages
    }

    /// Every server in another region, linked or not: what must not be reached is checked as well.
    fn probes_from(&self, region: &str) -> Vec<ProbeSpec> {
        let names = self.plan.names();
        let others = names.iter().filter_map(|(host, address)| Some((host.split('.').next()?, *address)));
        others
            .filter(|(name, _)| self.topology.region_of(name).is_some_and(|theirs| theirs != region))
            .map(|(name, address)| ProbeSpec {
                server: name.to_owned(),
                address: SocketAddr::from((address, self.port(name))),
            })
            .collect()
    }
}

/// The issuer a node says it is.
fn issuer(config: &Config, node: &str) -> String {
    let written = config.oidc_provider.as_ref().and_then(|provider| provider.discovery.issuer.as_ref());
    written.map_or_else(|| format!("https://{}", host(node)), mangrove_config::issuer_text)
}
