//! Steering as a server builds it from files: a zone, a policy file, networks with their places.

use meridian::config::{self, Memory};
use meridian::server::{self, Generation, Origin};

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n";

/// What becomes of a policy file, with `more` files beside it. Lines of `[geoip.networks]` are all
/// that is known of where clients are.
pub(crate) fn built(networks: &str, policies: &str, more: &[(&str, &str)]) -> Generation {
    let server = format!(
        "[server]\nzones = [\"example.com.zone\"]\npolicies = [\"p.toml\"]\n\
         [geoip]\ndatabases = []\n[geoip.networks]\n{networks}"
    );
    let files = [("meridian.toml", &*server), ("p.toml", policies), ("example.com.zone", ZONE)];
    let files: Memory = files.into_iter().chain(more.iter().copied()).collect();
    let loaded = config::read(&files, "meridian.toml".as_ref()).expect("the files are right");
    server::build(loaded, Origin::Embedded(&files)).expect("it builds")
}
