//! What must hold between settings; asked only once each of them is right in itself.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::decide::policy::PolicyError;

use super::error::{Place, Problem};
use super::section::Places;
use super::sections::{Adviser, Node, Settings, Surface};

/// How many nodes a trio has.
const TRIO: usize = 3;

/// Lists the rules that the settings break.
pub(super) fn broken(name: &str, places: &Places, settings: &Settings) -> Vec<Problem> {
    let mut found = Found { name, places, problems: Vec::new() };
    found.trio(settings);
    found.node(&settings.node, settings);
    found.rights(settings);
    found.looks(settings);
    found.adviser(&settings.adviser);
    found.surface(&settings.surface);
    found.problems
}

/// Says so where the peers are not three.
pub(super) fn no_trio(name: &str, settings: &Settings) -> Option<Problem> {
    let listed = settings.peers.len();
    let reason = format!("{listed} of [[peers]] are listed: a trio has exactly 3, this node included");
    let place = Place::File(name.to_owned());
    (listed != TRIO).then(|| Problem { place, key: "peers".to_owned(), value: None, reason, nearest: None })
}

struct Found<'a> {
    name: &'a str,
    places: &'a Places,
    problems: Vec<Problem>,
}

impl Found<'_> {
    fn say(&mut self, key: &str, value: Option<String>, reason: impl Into<String>) {
        let place = self.places.get(key).cloned().unwrap_or_else(|| Place::File(self.name.to_owned()));
        self.problems.push(Problem { place, key: key.to_owned(), value, reason: reason.into(), nearest: None });
    }

    fn trio(&mut self, settings: &Settings) {
        let peers = &settings.peers;
        if let Some(problem) = no_trio(self.name, settings) {
            self.problems.push(problem);
            return;
        }
        if peers.iter().map(|peer| peer.id).collect::<BTreeSet<_>>().len() < TRIO {
            let ids: Vec<String> = peers.iter().map(|peer| peer.id.0.to_string()).collect();
            self.say("peers.id", Some(ids.join(", ")), "each of the three needs an id of its own");
        }
        if peers.iter().map(|peer| &peer.address).collect::<BTreeSet<_>>().len() < TRIO {
            let addresses: Vec<String> = peers.iter().map(|peer| peer.address.to_string()).collect();
            self.say("peers.address", Some(addresses.join(", ")), "each of the three needs an address of its own");
        }
        if !peers.iter().any(|peer| peer.id == settings.node.id) {
            let id = settings.node.id.0.to_string();
            self.say("node.id", Some(id), "no entry of [[peers]] has this id: list this node as well");
        }
    }

    fn node(&mut self, node: &Node, settings: &Settings) {
        let files = [("cert", &node.tls_cert), ("key", &node.tls_key), ("ca", &node.tls_ca)];
        let given = self.whole_tls("node", files);
        let outside = settings.peers.iter().find(|peer| !peer.address.is_loopback());
        if given == Tls::Absent && !node.listen.ip().is_loopback() {
            let reason = "plain text is allowed between loopback addresses only: set node.tls.cert, .key and .ca";
            self.say("node.listen", Some(node.listen.to_string()), reason);
        }
        if let (Tls::Absent, Some(peer)) = (given, outside) {
            let reason = "plain text is allowed between loopback addresses only: set node.tls.cert, .key and .ca";
            self.say("peers.address", Some(peer.address.to_string()), reason);
        }
    }

    /// What is looked at less than twice within the age at which it is no longer believed is now and then not known.
    fn looks(&mut self, settings: &Settings) {
        let (kafka, policy) = (&settings.kafka, settings.policy());
        for (key, every, limit, age_max) in [
            ("kafka.look.shape", kafka.look_shape, "guard.topology_age_max", policy.guard.topology_age_max),
            ("kafka.look.pulse", kafka.look_pulse, "detect.pulse_age_max", policy.detect.pulse_age_max),
            ("kafka.look.offsets", kafka.look_offsets, "guard.log_end_age_max", policy.guard.log_end_age_max),
        ] {
            if age_max < every.saturating_mul(2) {
                let reason = format!("contradicts {limit}: look at least twice within it");
                self.say(key, None, reason);
            }
        }
    }

    fn rights(&mut self, settings: &Settings) {
        if settings.act.fence_heartbeat && settings.kafka.bootstrap_controllers.is_none() {
            let reason = "fencing by heartbeat is sent to the controllers: set kafka.\"bootstrap.controllers\"";
            self.say("act.fence.heartbeat", Some("true".to_owned()), reason);
        }
        // The bounds of single keys were checked when they were read: what is left is between keys.
        match settings.policy().check() {
            Ok(()) => {}
            Err(PolicyError::Contradiction { key, with, why }) => {
                // Records count in milliseconds; here times carry their unit in the value.
                let plain = |key: &'static str| key.trim_end_matches("_ms");
                self.say(plain(key), None, format!("contradicts {}: {why}", plain(with)));
            }
            Err(PolicyError::NotR2 { name }) => {
                self.say("act.auto_r2", Some(name), "no act of class R2 has this name; there is \"Unregister\"");
            }
            Err(PolicyError::OutOfRange { key, value, least, most }) => {
                self.say(
                    key.trim_end_matches("_ms"),
                    Some(value.to_string()),
                    format!("from {least} to {most} is wanted"),
                );
            }
            Err(error @ PolicyError::Unreadable { .. }) => self.say("act", None, error.to_string()),
        }
    }

    fn adviser(&mut self, adviser: &Adviser) {
        let Some(url) = &adviser.url else {
            for (key, set) in
                [("adviser.model", adviser.model.is_some()), ("adviser.key_file", adviser.key_file.is_some())]
            {
                if set {
                    self.say(key, None, "has no effect without adviser.url: set it, or leave this out");
                }
            }
            return;
        };
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            return self.say(
                "adviser.url",
                Some(url.clone()),
                "an address that starts with http:// or https:// is wanted",
            );
        };
        let host = rest.split('/').next().unwrap_or_default();
        let loopback = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|own| host.strip_prefix(own).is_some_and(|port| port.is_empty() || port.starts_with(':')));
        if host.is_empty() || host.contains('@') {
            self.say("adviser.url", Some(url.clone()), "a host is wanted after ://, and no user or password in it");
        }
        if scheme == "http" && !loopback {
            self.say("adviser.url", Some(url.clone()), "plain http is allowed to this machine only: use https");
        }
        if adviser.model.is_none() {
            self.say("adviser.model", None, "not set, and adviser.url is: name the model to ask for");
        }
    }

    fn surface(&mut self, surface: &Surface) {
        let files = [("cert", &surface.tls_cert), ("key", &surface.tls_key), ("ca", &surface.tls_ca)];
        let given = self.whole_tls("surface", files);
        match surface.listen {
            Some(listen) if given == Tls::Absent && !listen.ip().is_loopback() => {
                let reason = "plain text is allowed on loopback addresses only: set surface.tls.cert, .key and .ca";
                self.say("surface.listen", Some(listen.to_string()), reason);
            }
            None if given == Tls::Whole => {
                self.say("surface.tls.cert", None, "has no effect without surface.listen: set it, or leave this out");
            }
            _ => {}
        }
    }

    /// Tells whether TLS is set up, and says what is missing of it.
    fn whole_tls(&mut self, section: &str, files: [(&str, &Option<PathBuf>); 3]) -> Tls {
        let missing: Vec<&str> = files.iter().filter(|(_, file)| file.is_none()).map(|(key, _)| *key).collect();
        match missing.len() {
            0 => Tls::Whole,
            3 => Tls::Absent,
            _ => {
                for key in missing {
                    let reason = format!("not set, and the other tls files of [{section}] are: set all three or none");
                    self.say(&format!("{section}.tls.{key}"), None, reason);
                }
                Tls::Partial
            }
        }
    }
}

/// How much of a TLS set-up is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tls {
    Whole,
    Partial,
    Absent,
}
