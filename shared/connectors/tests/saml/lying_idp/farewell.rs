//! What the provider says about logouts.

use mangrove_connectors::Carried;
use mangrove_keys::ambient;
use mangrove_saml::logout::{LogoutRequest, LogoutResponse};
use mangrove_saml::redirect::{self, Parameter};
use mangrove_saml::response::NameId;
use mangrove_saml::{Root, post, sign};
use url::form_urlencoded::Serializer;

use super::{Idp, code};

/// A request to end sessions, or an answer to one.
#[derive(Debug, Clone)]
pub(crate) struct Farewell {
    pub(crate) id: String,
    pub(crate) issued: u64,
    pub(crate) issuer: String,
    pub(crate) destination: Option<String>,
    pub(crate) name: String,
    pub(crate) session: Option<String>,
    pub(crate) status: Vec<String>,
    pub(crate) signed: bool,
    pub(crate) answers: Option<String>,
    pub(crate) relay_state: String,
}

impl Farewell {
    pub(crate) fn request(issuer: &str, destination: &str, name: &str, session: Option<&str>) -> Self {
        Self {
            id: format!("_{}", ambient::token()),
            issued: ambient::unix_now(),
            issuer: issuer.to_owned(),
            destination: Some(destination.to_owned()),
            name: name.to_owned(),
            session: session.map(str::to_owned),
            status: vec![code("Success")],
            signed: true,
            answers: None,
            relay_state: "the provider's own".to_owned(),
        }
    }

    pub(crate) fn response(issuer: &str, destination: &str, answers: &str) -> Self {
        Self { answers: Some(answers.to_owned()), ..Self::request(issuer, destination, "", None) }
    }

    pub(crate) fn in_query(&self, idp: &Idp) -> Carried {
        let (parameter, _, xml) = self.written();
        let key = idp.signs_now();
        let key = self.signed.then_some(&key);
        Carried::Query(redirect::encode(parameter, &xml, Some(&self.relay_state), key).unwrap())
    }

    pub(crate) fn in_form(&self, idp: &Idp) -> Carried {
        let (parameter, root, xml) = self.written();
        let xml = if self.signed { sign(&xml, root, &idp.signs_now()).unwrap() } else { xml };
        let pairs = [(parameter.name(), post::encode(&xml)), ("RelayState", self.relay_state.clone())];
        Carried::Form(Serializer::new(String::new()).extend_pairs(pairs).finish().into())
    }

    fn written(&self) -> (Parameter, Root, String) {
        let (parameter, root, xml) = self.with_destination(self.destination.as_deref().unwrap_or_default());
        let bare = if self.destination.is_none() { xml.replace(" Destination=\"\"", "") } else { xml };
        (parameter, root, bare)
    }

    fn with_destination(&self, destination: &str) -> (Parameter, Root, String) {
        if let Some(answers) = &self.answers {
            let response = LogoutResponse {
                id: &self.id,
                issued: self.issued,
                destination,
                issuer: &self.issuer,
                in_response_to: answers,
                status: (&self.status[0], self.status.get(1).map(String::as_str)),
            };
            return (Parameter::Response, Root::LogoutResponse, response.write());
        }
        let name_id = NameId { value: self.name.clone(), ..NameId::default() };
        let request = LogoutRequest {
            id: &self.id,
            issued: self.issued,
            destination,
            issuer: &self.issuer,
            name_id: &name_id,
            session: self.session.as_deref(),
        };
        (Parameter::Request, Root::LogoutRequest, request.write())
    }
}
