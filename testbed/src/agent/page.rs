//! What a person makes of a page: its words, its forms, whether it reloads by itself. No scripts are run.

use std::time::Duration;

use scraper::{ElementRef, Html, Selector};
use url::Url;

/// A page in front of a person.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it came from, after redirects.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// `Content-Type`, without parameters.
    pub kind: String,
    /// Its text as sent.
    pub body: String,
}

/// What a page offers.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Heading, title or first words, at most 200 characters.
    pub says: String,
    /// All its words.
    pub words: String,
    /// Forms in order.
    pub forms: Vec<Form>,
    /// Links in order.
    pub links: Vec<Link>,
    /// Where it goes by itself, and after which time.
    pub refresh: Option<(Duration, Url)>,
    /// The login id it shows for the operator.
    pub login_id: Option<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place among the links of its page, from 0.
    pub number: usize,
    /// Its words.
    pub words: String,
    /// Where it leads.
    pub to: Url,
}

/// A form.
#[derive(Debug, Clone)]
pub struct Form {
    /// Its place among the forms of its page, from 0.
    pub number: usize,
    /// Where it is sent.
    pub action: Url,
    /// Whether as a POST.
    pub post: bool,
    /// Its fields in order.
    pub fields: Vec<Field>,
    /// Its buttons in order: name and value to send, if it has a name.
    pub buttons: Vec<Option<(String, String)>>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value before a person types.
    pub value: String,
    /// Its type, lower case.
    pub kind: String,
}

/// What a form is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Asks for a password.
    Password,
    /// Carries hidden fields on; a browser with scripts sends it without being asked.
    CarryOn,
    /// Asks a person to choose.
    Choice,
}

impl Page {
    /// Reads the page.
    pub fn content(&self) -> Content {
        let html = Html::parse_document(&self.body);
        Content {
            says: says(&html),
            words: select(&html, "body").next().map(words).unwrap_or_default(),
            forms: read_forms(&html, &self.url),
            links: read_links(&html, &self.url),
            refresh: refresh(&html, &self.url),
            login_id: login_id(&html),
        }
    }
}

impl Link {
    /// Whether its words say that it leads on from here.
    pub fn leads_on(&self) -> bool {
        let words = self.words.to_ascii_lowercase();
        ["continue", "back to", "return"].iter().any(|on| words.contains(on))
    }
}

impl Field {
    /// Whether a person types into it.
    pub fn is_typed(&self) -> bool {
        matches!(self.kind.as_str(), "password" | "text" | "email" | "")
    }
}

impl Form {
    /// What the form is for.
    pub fn purpose(&self) -> Purpose {
        if self.fields.iter().any(|field| field.kind == "password") {
            return Purpose::Password;
        }
        let hidden_only = !self.fields.is_empty() && self.fields.iter().all(|field| field.kind == "hidden");
        let protocol = ["SAMLRequest", "SAMLResponse", "code", "id_token"];
        let carries = self.fields.iter().any(|field| protocol.contains(&field.name.as_str()));
        if hidden_only && carries { Purpose::CarryOn } else { Purpose::Choice }
    }

    /// The form filled in, with button number `button` pressed (the last one if there are fewer).
    pub fn filled(&self, username: &str, password: &str, button: usize) -> Vec<(String, String)> {
        let mut user_typed = false;
        let mut pairs = Vec::new();
        for field in &self.fields {
            let value = match field.kind.as_str() {
                "password" => password.to_owned(),
                "text" | "email" | "" if !user_typed => {
                    user_typed = true;
                    username.to_owned()
                }
                "checkbox" | "radio" => continue,
                _ => field.value.clone(),
            };
            pairs.push((field.name.clone(), value));
        }
        if let Some(Some(pressed)) = self.buttons.get(button).or(self.buttons.last()) {
            pairs.push(pressed.clone());
        }
        pairs
    }
}

fn select<'a>(html: &'a Html, selector: &str) -> impl Iterator<Item = ElementRef<'a>> + use<'a> {
    let selector = Selector::parse(selector).expect("selectors here are constant");
    html.select(&selector).collect::<Vec<_>>().into_iter()
}

fn words(element: ElementRef<'_>) -> String {
    let text: String = element.text().collect::<Vec<_>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(html: &Html) -> String {
    let found = ["h1", "title", "body"].iter().find_map(|selector| {
        let text = select(html, selector).next().map(words)?;
        (!text.is_empty()).then_some(text)
    });
    found.unwrap_or_default().chars().take(200).collect()
}

fn read_forms(html: &Html, base: &Url) -> Vec<Form> {
    let all = select(html, "form").enumerate();
    all.filter_map(|(number, form)| read_form(number, form, base)).collect()
}

fn read_form(number: usize, form: ElementRef<'_>, base: &Url) -> Option<Form> {
    let value = form.value();
    let action = base.join(value.attr("action").unwrap_or_default()).ok()?;
    let inputs = Selector::parse("input, button, textarea").expect("constant");
    let (mut fields, mut buttons) = (Vec::new(), Vec::new());
    for input in form.select(&inputs).map(|input| input.value()) {
        let kind = input.attr("type").unwrap_or(if input.name() == "button" { "submit" } else { "text" });
        let kind = kind.to_ascii_lowercase();
        let name = input.attr("name").unwrap_or_default().to_owned();
        let content = input.attr("value").unwrap_or_default().to_owned();
        if kind == "submit" || kind == "image" {
            buttons.push((!name.is_empty()).then_some((name, content)));
        } else if !name.is_empty() && kind != "button" && kind != "reset" && input.attr("disabled").is_none()
        {
            fields.push(Field { name, value: content, kind });
        }
    }
    let post = value.attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
    Some(Form { number, action, post, fields, buttons })
}

fn read_links(html: &Html, base: &Url) -> Vec<Link> {
    let read = |(number, link): (usize, ElementRef<'_>)| {
        Some(Link { number, words: words(link), to: base.join(link.value().attr("href")?).ok()? })
    };
    select(html, "a[href]").enumerate().filter_map(read).collect()
}

fn refresh(html: &Html, base: &Url) -> Option<(Duration, Url)> {
    let meta = select(html, "meta[http-equiv]").find(|meta| {
        meta.value().attr("http-equiv").is_some_and(|kind| kind.eq_ignore_ascii_case("refresh"))
    })?;
    let content = meta.value().attr("content")?;
    let (seconds, rest) = content.split_once([';', ',']).unwrap_or((content, ""));
    let seconds: f64 = seconds.trim().parse().ok()?;
    let rest = rest.trim();
    let target = match rest.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("url=") => rest[4..].trim().trim_matches(['\'', '"']),
        _ => rest,
    };
    let url = if target.is_empty() { base.clone() } else { base.join(target).ok()? };
    Some((Duration::try_from_secs_f64(seconds).ok()?, url))
}

fn login_id(html: &Html) -> Option<String> {
    let element = select(html, "[data-login-id], #login-id, .login-id, footer code").next()?;
    let id = element.value().attr("data-login-id").map_or_else(|| words(element), str::to_owned);
    (!id.is_empty() && id.len() <= 64).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(body: &str) -> Content {
        let url = Url::parse("https://root.mesh.test/sign-in/abc?x=1").unwrap();
        Page { url, status: 200, kind: "text/html".into(), body: body.into() }.content()
    }

    #[test]
    fn a_sign_in_page_is_filled_in_with_its_hidden_fields_and_its_button() {
        let content = content(
            "<title>t</title><h1>Sign  in</h1><form method=post action='/sign-in'><input type=hidden name=csrf value=7>\
             <input name=username><input type=password name=password><input type=checkbox name=remember>\
             <button name=go value=yes>Sign in</button></form>",
        );
        let form = &content.forms[0];
        assert_eq!(content.says, "Sign in");
        assert_eq!((form.purpose(), form.post), (Purpose::Password, true));
        assert_eq!(form.action.as_str(), "https://root.mesh.test/sign-in");
        let expected = [("csrf", "7"), ("username", "alice"), ("password", "secret"), ("go", "yes")];
        assert_eq!(form.filled("alice", "secret", 0), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_protocols_form_carries_on_and_a_question_is_a_choice() {
        let post =
            content("<form method=post action=/acs><input type=hidden name=SAMLResponse value=x></form>");
        assert_eq!(post.forms[0].purpose(), Purpose::CarryOn);
        let question = content(
            "<form><input type=hidden name=t value=1><button name=way value=same>a</button><button name=way value=other>b</button></form>",
        );
        assert_eq!(question.forms[0].purpose(), Purpose::Choice);
        assert_eq!(question.forms[0].filled("", "", 1)[1].1, "other");
    }

    #[test]
    fn a_page_that_reloads_by_itself_is_understood() {
        let same = content("<meta http-equiv=refresh content=5>").refresh.unwrap();
        assert_eq!(
            same,
            (Duration::from_secs(5), Url::parse("https://root.mesh.test/sign-in/abc?x=1").unwrap())
        );
        let other = content("<meta http-equiv='Refresh' content=\"2; url='/retry'\">").refresh.unwrap();
        assert_eq!((other.0, other.1.path()), (Duration::from_secs(2), "/retry"));
        assert!(content("<p>no</p>").refresh.is_none());
    }

    #[test]
    fn a_link_that_leads_on_is_told_by_its_words() {
        let links =
            content("<a href=/help>Help</a><p><a class=act href='https://app.mesh.test/x'>Continue</a>")
                .links;
        let on: Vec<_> = links.iter().filter(|link| link.leads_on()).collect();
        assert_eq!((links.len(), on.len(), on[0].number), (2, 1, 1));
        assert_eq!(on[0].to.as_str(), "https://app.mesh.test/x");
    }

    #[test]
    fn the_login_id_is_read_where_a_page_shows_one() {
        assert_eq!(
            content("<p>Tell them <code class=login-id>k3v9</code></p>").login_id.as_deref(),
            Some("k3v9")
        );
        assert_eq!(content("<body data-login-id=abc>x").login_id.as_deref(), Some("abc"));
        assert_eq!(
            content("<footer>edge · login <code>abc</code></footer>").login_id.as_deref(),
            Some("abc")
        );
    }
}
