//! What the operator says about the model's server, checked before anything is built on it.
//!
//! Deliberately no environment: whatever is set there, only what stands here is used. Secrets are never shown.

use std::fmt;
use std::time::Duration;

use async_openai::config::Config;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::circuit::CircuitOptions;

/// Longer keys and names than any known server's.
///
/// Units: bytes.
const KEY_BYTES_MAX: usize = 4096;
const NAME_BYTES_MAX: usize = 200;

/// Where the model is, how it is asked and how far it is trusted to answer.
#[derive(Debug, Clone)]
pub struct AdviserOptions {
    /// The server's base, such as `https://api.openai.com/v1`; `/chat/completions` is added.
    pub base_url: String,
    /// The model's name as the server knows it.
    pub model: String,
    /// The server's key, if it wants one.
    pub key: Option<ApiKey>,
    /// OpenAI's organization, if any.
    pub organization: Option<String>,
    /// OpenAI's project, if any.
    pub project: Option<String>,
    /// How long connecting may take, within the deadline.
    pub connect_timeout: Duration,
    /// The largest HTTP body that is read; ours are below 8 KiB, reasoning models add their thoughts.
    ///
    /// Units: bytes.
    pub answer_bytes_max: usize,
    /// What the server is told to stop at.
    ///
    /// Units: tokens.
    pub answer_tokens_max: u32,
    /// How long an opinion answers the same evidence again.
    pub reuse_for: Duration,
    /// When the model is no longer asked for a while.
    pub circuit: CircuitOptions,
}

impl AdviserOptions {
    /// Gives the defaults for a server and a model.
    #[must_use]
    pub fn new(base_url: &str, model: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            model: model.to_owned(),
            key: None,
            organization: None,
            project: None,
            connect_timeout: Duration::from_secs(2),
            answer_bytes_max: 256 * 1024,
            answer_tokens_max: 800,
            reuse_for: Duration::from_secs(60),
            circuit: CircuitOptions::default(),
        }
    }
}

/// A server's key: trimmed, fit for a header, never shown.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// Takes a key as it stands in a file or setting, with or without a line end.
    ///
    /// Errors: [`AdviserError::Key`] where it is empty or could not stand in a header.
    pub fn new(text: &str) -> Result<Self, AdviserError> {
        let key = text.trim();
        let fits = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(SecretString::from(key.to_owned()))) } else { Err(AdviserError::Key) }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(not shown)")
    }
}

/// Why no adviser can be built from these options.
#[derive(Debug, thiserror::Error)]
pub enum AdviserError {
    /// Correct the address.
    #[error("the adviser's base_url {base_url:?} {why}")]
    BaseUrl {
        /// What was given, without anything that could be a password.
        base_url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Correct the key.
    #[error("the adviser's key is empty, too long, or holds something else than visible ASCII")]
    Key,
    /// Correct the name.
    #[error(
        "the adviser's {what} is empty, longer than {NAME_BYTES_MAX} bytes, or holds something else than visible ASCII"
    )]
    Name {
        /// Which name.
        what: &'static str,
    },
    /// Install the process's TLS provider first (`install_ring`).
    #[error("no TLS provider is installed in this process")]
    NoTlsProvider,
    /// Usually no certificates are installed: `apt-get install ca-certificates`.
    #[error("no HTTPS client can be built; are ca-certificates installed?")]
    Client(#[source] reqwest::Error),
}

/// Whether TLS, and with it the machine's certificates, is needed to reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
}

/// What async-openai asks for with each request; built from our options alone.
pub(super) struct Access {
    base: String,
    headers: HeaderMap,
    key: SecretString,
    pub(super) transport: Transport,
}

impl Access {
    /// Checks the options that reach the wire.
    pub(super) fn new(options: &AdviserOptions) -> Result<Self, AdviserError> {
        let (base, transport) = base(options)?;
        name("model", &options.model)?;
        let mut headers = HeaderMap::new();
        for (what, header, value) in [
            ("organization", "openai-organization", &options.organization),
            ("project", "openai-project", &options.project),
        ] {
            if let Some(value) = value {
                headers.insert(header, name(what, value)?);
            }
        }
        let none = || SecretString::from(String::new());
        let key = options.key.as_ref().map_or_else(none, |key| key.0.clone());
        if options.key.is_some() {
            let mut bearer =
                HeaderValue::from_str(&format!("Bearer {}", key.expose_secret())).map_err(|_| AdviserError::Key)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        Ok(Self { base, headers, key, transport })
    }
}

/// Gives a name as a header's value.
fn name(what: &'static str, value: &str) -> Result<HeaderValue, AdviserError> {
    let fits = !value.is_empty() && value.len() <= NAME_BYTES_MAX && value.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| HeaderValue::from_str(value).ok()).flatten().ok_or(AdviserError::Name { what })
}

/// Gives the base without a trailing slash, and how it is reached.
fn base(options: &AdviserOptions) -> Result<(String, Transport), AdviserError> {
    let given = options.base_url.trim();
    let bad = |base_url: &str, why| AdviserError::BaseUrl { base_url: base_url.to_owned(), why };
    let url = Url::parse(given).map_err(|_| bad("", "is no URL such as https://api.openai.com/v1"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("", "holds a user name or password: give a key instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("", "has a query or a fragment: the path of the request is added at its end"));
    }
    let transport = match url.scheme() {
        "https" => Transport::Tls,
        "http" => Transport::Plain,
        _ => return Err(bad(given, "is neither https nor http")),
    };
    if transport == Transport::Plain && options.key.is_some() && !is_loopback(&url) {
        return Err(bad(given, "would send the key in plain text: use https, or a server on this machine"));
    }
    Ok((url.as_str().trim_end_matches('/').to_owned(), transport))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Config for Access {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut AdviserOptions)) -> String {
        let mut options = AdviserOptions::new("https://models.example/v1/", "small");
        change(&mut options);
        Access::new(&options).err().map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn a_key_with_a_line_end_is_trimmed_and_one_with_a_gap_is_refused() {
        let key = ApiKey::new(" sk-secret\n").unwrap();
        assert_eq!(key.0.expose_secret(), "sk-secret");
        for bad in ["", " \n", "sk\nsecret", "sk secret", "sk-\u{e9}", &"x".repeat(5000)] {
            assert!(ApiKey::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let mut options = AdviserOptions::new("https://models.example/v1", "small");
        options.key = Some(ApiKey::new("sk-secret").unwrap());
        assert!(!format!("{options:?}").contains("secret"));
        let access = Access::new(&options).unwrap();
        assert!(!format!("{:?}", access.headers()).contains("secret"));
    }

    #[test]
    fn the_address_is_checked_before_anything_is_sent() {
        assert_eq!(error(|_| ()), "");
        assert!(error(|options| options.base_url = "models".into()).contains("is no URL"));
        assert!(error(|options| options.base_url = "ftp://models.example".into()).contains("neither https nor http"));
        assert!(error(|options| options.base_url = "https://models.example/v1?a=b".into()).contains("query"));
        let told = error(|options| options.base_url = "https://me:hunter2@models.example/v1".into());
        assert!(told.contains("password") && !told.contains("hunter2"), "{told}");
        let key = || Some(ApiKey::new("sk-secret").unwrap());
        let plain = |base: &str| {
            error(|options| {
                options.base_url = base.into();
                options.key = key();
            })
        };
        assert!(plain("http://models.example/v1").contains("plain text"));
        assert!(plain("http://10.0.0.7/v1").contains("plain text"));
        assert_eq!(plain("http://127.0.0.1:8080/v1"), "");
        assert_eq!(plain("http://[::1]:8080/v1"), "");
        assert_eq!(plain("http://localhost:8080/v1"), "");
    }

    #[test]
    fn names_that_could_not_stand_in_a_header_are_refused() {
        assert!(error(|options| options.model = String::new()).contains("model"));
        assert!(error(|options| options.organization = Some("a\nb".into())).contains("organization"));
        assert!(error(|options| options.project = Some("a b".into())).contains("project"));
    }
}
