//! What a configuration means, checked: each rule is a small function in a table, and says what it finds with the exact
//! place. The rules judge what could be decoded; a name that could not be decoded still counts as known.

mod assumptions;
mod caches;
mod client_keys;
mod discovery;
mod diversity;
mod files;
mod groups;
mod health;
mod ldap;
mod names;
mod node;
mod provider;
mod references;
mod saml;
mod tls;
mod unbuilt;
mod urls;

use crate::{
    App, Config, Connector, Environment,
    decode::Decoded,
    files::Files,
    finding::Findings,
    load::Resolver,
    structure::FileUse,
    trail::{Trail, at},
    tree::Node,
};

type Check = fn(&Context<'_>, &mut Findings);

/// Every rule.
const CHECKS: &[Check] = &[
    names::names_are_unique,
    names::names_say_something,
    names::connector_names_are_plain,
    references::connectors_exist,
    references::apps_ask_somebody,
    references::tls_profiles_exist,
    references::caches_exist,
    references::claims_lead_somewhere,
    groups::groups_have_members,
    groups::groups_have_no_cycles,
    groups::attributes_are_mapped_for_members,
    groups::subjects_are_said,
    discovery::roots_are_found_safely,
    health::health_checks_can_decide,
    health::keys_are_not_believed_for_ever,
    health::members_are_watched,
    urls::the_nodes_own_urls_are_sound,
    urls::redirect_urls_of_connectors_are_sound,
    urls::provider_urls_are_sound,
    urls::redirect_urls_of_apps_are_sound,
    urls::endpoints_are_on_this_node,
    urls::redirect_urls_are_not_shared,
    ldap::servers_are_sound,
    ldap::users_are_found,
    ldap::attributes_are_names,
    saml::formats_are_known,
    saml::doors_are_their_own,
    saml::unasked_logins_lead_somewhere,
    tls::profiles_are_whole,
    tls::the_listener_has_a_certificate,
    tls::pairs_are_whole,
    node::the_listener_is_sound,
    node::the_admin_is_closed_to_others,
    node::sessions_are_sound,
    node::health_is_sound,
    provider::signing_keys_are_sound,
    provider::lifetimes_are_bounded,
    provider::apps_ask_for_what_there_is,
    provider::oidc_connectors_are_sound,
    client_keys::applications_prove_with_public_keys,
    client_keys::connectors_prove_in_one_way,
    files::files_are_what_they_should_be,
    caches::caches_are_whole,
    unbuilt::unsafe_to_ignore,
    unbuilt::without_effect,
    assumptions::plain_http,
    assumptions::issuer,
    assumptions::signing_keys,
    assumptions::redirect_urls_of_connectors,
    assumptions::applications,
    diversity::members_share_nothing,
];

/// What the rules look at.
pub(crate) struct Context<'a> {
    pub(crate) tree: &'a Node,
    pub(crate) decoded: &'a Decoded,
    pub(crate) uses: &'a [FileUse],
    pub(crate) files: &'a dyn Files,
    pub(crate) env: &'a Environment,
    pub(crate) resolver: Option<&'a dyn Resolver>,
}

/// Runs every rule.
pub(crate) fn run(context: &Context<'_>, findings: &mut Findings) {
    for check in CHECKS {
        check(context, findings);
    }
}

impl<'a> Context<'a> {
    pub(crate) fn config(&self) -> &'a Config {
        &self.decoded.config
    }

    /// The connectors that could be decoded, each with its trail.
    pub(crate) fn connectors(&self) -> impl Iterator<Item = (Trail, &'a Connector)> {
        let at = self.decoded.connectors.iter().map(|i| at!["connectors", *i]);
        at.zip(&self.decoded.config.connectors)
    }

    /// The applications that could be decoded, each with its trail.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (Trail, &'a App)> {
        self.decoded.apps.iter().map(|i| at!["apps", *i]).zip(&self.decoded.config.apps)
    }

    /// The names of a list, with their trails, decoded or not.
    pub(crate) fn names(&self, list: &'static str) -> Vec<(Trail, &'a str)> {
        self.names_by(list, "name")
    }

    /// The texts of one key in a list, with their trails, decoded or not.
    pub(crate) fn names_by(&self, list: &'static str, key: &str) -> Vec<(Trail, &'a str)> {
        let items = self.tree.get(list).map(Node::items).unwrap_or_default().iter().enumerate();
        let named = items.filter_map(|(i, item)| Some((at![list, i, key], item.get(key)?.as_str()?)));
        named.collect()
    }

    /// Whether nothing was written at a trail (what is written wrongly is written).
    pub(crate) fn unwritten(&self, trail: &Trail) -> bool {
        self.tree.find(trail).is_none_or(|node| node.is_null() && !node.spoilt)
    }
}
