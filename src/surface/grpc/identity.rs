//! Who asks, and what they may do.
//!
//! Deliberately no passwords and no tokens: the kernel names the user of a socket, the certificate names everybody else.

use std::collections::BTreeMap;

use nix::unistd::{Uid, User};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo, UdsConnectInfo};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::model::ids::Person;
use crate::model::operator::{Ask, Refusal, Role};

/// Longest name that is taken from a certificate.
///
/// Units: characters.
const NAME_CHARS_MAX: usize = 128;

/// Who may do what.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    named: BTreeMap<Person, Role>,
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// Their name.
    pub(super) person: Person,
    /// What they may do where the settings do not name them.
    pub(super) unnamed: Role,
}

impl Roles {
    /// Gives roles from the settings; whoever is not named reads.
    #[must_use]
    pub fn new(named: BTreeMap<Person, Role>) -> Self {
        Self { named }
    }

    /// Says no where the caller's role does not reach.
    ///
    /// Errors: [`Refusal::Role`].
    pub(super) fn check(&self, caller: &Caller, ask: &Ask) -> Result<(), Refusal> {
        let has = self.named.get(&caller.person).copied().unwrap_or(caller.unnamed);
        let needs = ask.needs();
        if needs <= has { Ok(()) } else { Err(Refusal::Role { by: caller.person.clone(), needs }) }
    }
}

/// Gives who sent a request; none where the connection says nothing.
pub(super) fn caller(extensions: &tonic::Extensions) -> Option<Caller> {
    if let Some(socket) = extensions.get::<UdsConnectInfo>() {
        return socket.peer_cred.map(|peer| user(peer.uid()));
    }
    if let Some(secured) = extensions.get::<TlsConnectInfo<TcpConnectInfo>>() {
        let certificates = secured.peer_certs()?;
        let person = certificate_name(certificates.first()?.as_ref())?;
        return Some(Caller { person, unnamed: Role::Reader });
    }
    // Plain text exists on loopback only, and there anybody may be anybody: a name that no settings can grant a role.
    extensions.get::<TcpConnectInfo>().map(|_| Caller { person: Person(UNKNOWN.to_owned()), unnamed: Role::Reader })
}

/// What a caller over plain TCP is called; the settings refuse control characters and so cannot name it.
const UNKNOWN: &str = "somebody\u{7f}";

/// Gives the user of a process at the other end of a socket.
fn user(uid: u32) -> Caller {
    let uid = Uid::from_raw(uid);
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
    // Root and the user that runs the node could replace the program or its data: a lesser role would only pretend.
    let unnamed = if uid.is_root() || uid == Uid::effective() { Role::Approver } else { Role::Reader };
    Caller { person: Person(name), unnamed }
}

/// Gives the name in a certificate that the TLS layer has accepted: its common name, else its first alternative name.
fn certificate_name(der: &[u8]) -> Option<Person> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok().map(str::to_owned));
    let alternative = || {
        let names = certificate.subject_alternative_name().ok().flatten()?;
        let text = |name: &GeneralName<'_>| {
            if let GeneralName::RFC822Name(name) | GeneralName::DNSName(name) | GeneralName::URI(name) = name {
                Some((*name).to_owned())
            } else {
                None
            }
        };
        names.value.general_names.iter().find_map(text)
    };
    let name = common.or_else(alternative)?;
    let legal = (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    legal.then_some(Person(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::operator::Reason;

    #[test]
    fn a_role_reaches_what_is_below_it_and_no_further() {
        let roles = Roles::new(BTreeMap::from([
            (Person("olga".to_owned()), Role::Operator),
            (Person("root".to_owned()), Role::Reader),
        ]));
        let pause = Ask::Pause { reason: "maintenance".parse::<Reason>().unwrap() };
        let approve = Ask::Approve { digest: "0123456789ab".parse().unwrap() };
        let olga = Caller { person: Person("olga".to_owned()), unnamed: Role::Reader };
        assert_eq!(roles.check(&olga, &Ask::Status), Ok(()));
        assert_eq!(roles.check(&olga, &pause), Ok(()));
        let refused = Refusal::Role { by: olga.person.clone(), needs: Role::Approver };
        assert_eq!(roles.check(&olga, &approve), Err(refused));
        let stranger = Caller { person: Person("eve".to_owned()), unnamed: Role::Reader };
        assert!(roles.check(&stranger, &pause).is_err());
        // Who is named has that role, even root.
        let root = Caller { person: Person("root".to_owned()), unnamed: Role::Approver };
        assert!(roles.check(&root, &pause).is_err());
        assert_eq!(Roles::default().check(&root, &approve), Ok(()));
    }

    #[test]
    fn a_certificate_names_the_person_by_its_common_name_else_by_an_alternative() {
        let der = |common: Option<&str>, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            if let Some(common) = common {
                params.distinguished_name.push(rcgen::DnType::CommonName, common);
            }
            params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
        };
        let named = |der: Vec<u8>| certificate_name(&der).map(|person| person.0);
        assert_eq!(named(der(Some("alice"), &["a.example"])).as_deref(), Some("alice"));
        assert_eq!(named(der(None, &["b.example"])).as_deref(), Some("b.example"));
        assert_eq!(named(der(None, &[])), None);
        assert_eq!(named(der(Some("al\u{1b}ice"), &[])), None);
        assert_eq!(certificate_name(b"no certificate"), None);
    }
}
