//! A small SAML identity provider with a key of its own that speaks the protocol well, and lies on command.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "test code; each suite that includes it uses a part of it"
)]

mod farewell;
mod says;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use mangrove_connectors::Answer;
use mangrove_keys::{Signer, ambient};
use mangrove_saml::names::{DS, METADATA, SAML, SAMLP};
use mangrove_saml::redirect::{Parameter, Received};
use mangrove_saml::write::Element;
use mangrove_saml::{Opened, Root, SigningKey, post, uris};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::{Url, form_urlencoded};

pub(crate) use self::farewell::Farewell;
pub(crate) use self::says::{Says, Sign, code};

/// A key with its certificate.
pub(crate) struct Keys {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
}

impl Keys {
    pub(crate) fn ec() -> Self {
        Self::of(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::of(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap())
    }

    /// A key whose certificate expired a quarter of a century ago.
    pub(crate) fn expired() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec!["saml.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        Self { pem: pair.serialize_pem(), der: params.self_signed(&pair).unwrap().der().to_vec() }
    }

    fn of(pair: &KeyPair) -> Self {
        let made =
            CertificateParams::new(vec!["saml.example".to_owned()]).unwrap().self_signed(pair).unwrap();
        Self { pem: pair.serialize_pem(), der: made.der().to_vec() }
    }

    pub(crate) fn signing(&self) -> SigningKey {
        SigningKey::new(Signer::from_pem("a key", self.pem.as_bytes()).unwrap(), self.der.clone()).unwrap()
    }

    /// A certificate and a key, as an operator has them.
    pub(crate) fn files(&self, dir: &std::path::Path) -> (String, String) {
        use base64::Engine;
        let (cert, key) = (dir.join("sp.crt"), dir.join("sp.key"));
        let pem = base64::prelude::BASE64_STANDARD.encode(&self.der);
        std::fs::write(&cert, format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n"))
            .unwrap();
        std::fs::write(&key, &self.pem).unwrap();
        (cert.display().to_string(), key.display().to_string())
    }

    fn published(&self, of_use: Option<&str>) -> Element {
        use base64::Engine;
        let text = base64::prelude::BASE64_STANDARD.encode(&self.der);
        let certificate = Element::new("ds:X509Certificate").text(&text);
        let info = Element::new("ds:KeyInfo").child(&Element::new("ds:X509Data").child(&certificate));
        Element::new("md:KeyDescriptor").maybe("use", of_use).child(&info)
    }
}

type Change<T> = Box<dyn Fn(&mut T) + Send>;

/// What the provider lies about, or does otherwise; nothing at first.
#[derive(Default)]
pub(crate) struct Lies {
    /// Changes what is said before it is signed.
    pub(crate) says: Option<Change<Says>>,
    /// Changes the document that is sent.
    pub(crate) forge: Option<Change<String>>,
    /// Another key signs than the published one.
    pub(crate) signs_with: Option<Keys>,
    /// Encrypts the assertion for this certificate.
    pub(crate) encrypts_for: Option<Vec<u8>>,
    /// Metadata is this instead.
    pub(crate) metadata: Option<(u16, String)>,
    /// Changes the metadata.
    pub(crate) changes_metadata: Option<Change<String>>,
    /// The single sign-on service answers this.
    pub(crate) sign_on: Option<u16>,
    /// Nothing is answered, or nothing at this path.
    pub(crate) silent: bool,
    pub(crate) silent_at: Option<&'static str>,
    /// Only these bindings are offered.
    pub(crate) bindings: Option<Vec<&'static str>>,
    pub(crate) wants_signed: bool,
    /// More keys are published, of this use.
    pub(crate) more_keys: Vec<(Option<&'static str>, Keys)>,
}

/// A request that the provider got.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) xml: String,
    pub(crate) relay_state: Option<String>,
    pub(crate) consumer: Url,
    pub(crate) issuer: String,
}

/// A running provider, or a dead one.
pub(crate) struct Idp {
    pub(crate) origin: String,
    address: SocketAddr,
    house: Arc<House>,
    tasks: JoinSet<()>,
}

struct House {
    origin: String,
    keys: Mutex<Keys>,
    lies: Mutex<Lies>,
    asked: Mutex<Vec<(String, Option<Asked>)>>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let origin = format!("http://127.0.0.1:{}", address.port());
        let (keys, lies, asked) = (Mutex::new(Keys::ec()), Mutex::default(), Mutex::default());
        let house = Arc::new(House { origin: origin.clone(), keys, lies, asked });
        let mut idp = Self { origin, address, house, tasks: JoinSet::new() };
        idp.serve(listener);
        idp
    }

    /// Ends every connection and listens no more.
    pub(crate) async fn dies(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) async fn comes_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    pub(crate) fn lies(&self, lie: impl FnOnce(&mut Lies)) {
        lie(&mut self.house.lies.lock().unwrap());
    }

    /// A new key, and the old one is gone.
    pub(crate) fn rolls_keys(&self) {
        *self.house.keys.lock().unwrap() = Keys::ec();
    }

    pub(crate) fn entity_id(&self) -> String {
        self.house.entity_id()
    }

    pub(crate) fn metadata_url(&self) -> String {
        format!("{}/metadata", self.origin)
    }

    pub(crate) fn metadata(&self) -> String {
        self.house.metadata()
    }

    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.house.keys.lock().unwrap().der.clone()
    }

    /// How often a path was asked for.
    pub(crate) fn hits(&self, path: &str) -> usize {
        self.house.asked.lock().unwrap().iter().filter(|(hit, _)| hit == path).count()
    }

    /// What the single sign-on service was asked last, over its own socket.
    pub(crate) fn last_asked(&self) -> Option<Asked> {
        self.house.asked.lock().unwrap().iter().rev().find_map(|(_, asked)| asked.clone())
    }

    /// The key it signs with at the moment.
    pub(crate) fn signs_now(&self) -> SigningKey {
        let (keys, lies) = (self.house.keys.lock().unwrap(), self.house.lies.lock().unwrap());
        lies.signs_with.as_ref().unwrap_or(&keys).signing()
    }

    /// The person signs in: what the browser brings back.
    pub(crate) fn signs_in(&self, asked: &Asked) -> Answer {
        let mut params = vec![("SAMLResponse".to_owned(), post::encode(&self.response(asked)))];
        params.extend(asked.relay_state.clone().map(|state| ("RelayState".to_owned(), state)));
        Answer { path: asked.consumer.path().to_owned(), params, ..Answer::default() }
    }

    /// The response's text.
    pub(crate) fn response(&self, asked: &Asked) -> String {
        let lies = self.house.lies.lock().unwrap();
        let mut says = Says::good(&self.house.entity_id(), asked, ambient::unix_now());
        if let Some(change) = &lies.says {
            change(&mut says);
        }
        let keys = self.house.keys.lock().unwrap();
        let key = lies.signs_with.as_ref().unwrap_or(&keys).signing();
        let mut written = says.write(&key, lies.encrypts_for.as_deref());
        if let Some(forge) = &lies.forge {
            forge(&mut written);
        }
        written
    }

    fn serve(&mut self, listener: TcpListener) {
        let app = Router::new()
            .route("/metadata", get(metadata))
            .route("/sso", get(by_query).post(by_form))
            .with_state(Arc::clone(&self.house));
        self.tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    }
}

impl House {
    fn entity_id(&self) -> String {
        format!("{}/idp", self.origin)
    }

    fn metadata(&self) -> String {
        let lies = self.lies.lock().unwrap();
        let keys = self.keys.lock().unwrap().published(Some("signing"));
        let more: Vec<_> = lies.more_keys.iter().map(|(of_use, keys)| keys.published(*of_use)).collect();
        let services = |name: &'static str, path: &str| {
            let offered = lies.bindings.clone().unwrap_or(vec![uris::REDIRECT, uris::POST]);
            let location = format!("{}{path}", self.origin);
            let service = move |binding| {
                Element::new(name).attribute("Binding", binding).attribute("Location", &location)
            };
            offered.into_iter().map(service).collect::<Vec<_>>()
        };
        let role = Element::new("md:IDPSSODescriptor")
            .attribute("protocolSupportEnumeration", SAMLP)
            .maybe("WantAuthnRequestsSigned", lies.wants_signed.then_some("true"))
            .child(&keys)
            .children(&more)
            .children(&services("md:SingleLogoutService", "/slo"))
            .children(&services("md:SingleSignOnService", "/sso"));
        let mut written = Element::new("md:EntityDescriptor")
            .namespace("md", METADATA)
            .namespace("ds", DS)
            .attribute("entityID", &self.entity_id())
            .child(&role)
            .to_xml();
        if let Some(change) = &lies.changes_metadata {
            change(&mut written);
        }
        written
    }

    async fn answers(&self, path: &str, asked: Option<Asked>) -> Option<StatusCode> {
        self.asked.lock().unwrap().push((path.to_owned(), asked));
        let (silent, status) = {
            let lies = self.lies.lock().unwrap();
            (lies.silent || lies.silent_at == Some(path), lies.sign_on)
        };
        if silent {
            std::future::pending::<()>().await;
        }
        status.map(|status| StatusCode::from_u16(status).unwrap())
    }
}

async fn metadata(State(house): State<Arc<House>>) -> Response {
    house.answers("/metadata", None).await;
    let instead = house.lies.lock().unwrap().metadata.clone();
    match instead {
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        None => house.metadata().into_response(),
    }
}

async fn by_query(State(house): State<Arc<House>>, RawQuery(query): RawQuery) -> Response {
    let asked = Asked::in_query(&query.unwrap_or_default());
    let status = house.answers("/sso", Some(asked)).await;
    (status.unwrap_or(StatusCode::OK), "Sign in").into_response()
}

async fn by_form(State(house): State<Arc<House>>, form: String) -> Response {
    let fields: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let status = house.answers("/sso", Some(Asked::in_form(&fields))).await;
    (status.unwrap_or(StatusCode::OK), "Sign in").into_response()
}

impl Asked {
    /// A request as it stands in a query.
    pub(crate) fn in_query(query: &str) -> Self {
        let received = Received::decode(query, Parameter::Request, Root::AuthnRequest).unwrap();
        Self::read(received.message(), received.relay_state())
    }

    /// A request as it stands in a form.
    pub(crate) fn in_form(fields: &[(String, String)]) -> Self {
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let opened = post::decode(field("SAMLRequest").unwrap(), Root::AuthnRequest).unwrap();
        Self::read(&opened, field("RelayState"))
    }

    fn read(opened: &Opened, relay_state: Option<&str>) -> Self {
        let document = opened.untrusted().unwrap();
        let request = document.root_element();
        let issuer = request.children().find(|node| node.has_tag_name((SAML, "Issuer"))).unwrap();
        Self {
            id: request.attribute("ID").unwrap().to_owned(),
            xml: opened.text().to_owned(),
            relay_state: relay_state.map(str::to_owned),
            consumer: request.attribute("AssertionConsumerServiceURL").unwrap().parse().unwrap(),
            issuer: issuer.text().unwrap().to_owned(),
        }
    }
}
