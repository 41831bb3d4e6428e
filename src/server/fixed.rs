//! What only a restart changes: sockets are bound, threads started and the log opened once.

use crate::config::{Config, Limits};

/// The settings in force until the process ends.
#[derive(Debug, Clone)]
pub struct Fixed {
    limits: Limits,
    /// Keys as the file has them, and their values.
    values: Vec<(&'static str, String)>,
}

impl Fixed {
    /// The settings of a server that starts now. Where the command line says where to listen,
    /// `listen` of the file counts for nothing.
    pub fn of(config: &Config, is_listen_overruled: bool) -> Fixed {
        let mut values = values(config);
        values.retain(|(key, _)| !(is_listen_overruled && *key == "server.listen"));
        Fixed { limits: config.limits.clone(), values }
    }

    /// The keys whose values in `config` wait for a restart.
    pub fn waiting(&self, config: &Config) -> Vec<&'static str> {
        let wanted = values(config);
        let differs = |(key, value): &&(&'static str, String)| {
            wanted.iter().any(|(other, wanted)| other == key && wanted != value)
        };
        self.values.iter().filter(differs).map(|(key, _)| *key).collect()
    }

    /// Puts what connections may use back to what is in force, because answers speak of it.
    pub fn put_back(&self, config: &mut Config) {
        let Limits { tcp_connections, tcp_per_client, tcp_idle, tcp_lifetime, .. } = self.limits;
        config.limits.tcp_connections = tcp_connections;
        config.limits.tcp_per_client = tcp_per_client;
        config.limits.tcp_idle = tcp_idle;
        config.limits.tcp_lifetime = tcp_lifetime;
    }
}

fn values(config: &Config) -> Vec<(&'static str, String)> {
    let (server, limits, log) = (&config.server, &config.limits, &config.log);
    let admin = &config.admin;
    let (dot, doh, doq, doh3) = match &config.encrypted {
        Some(tls) => (&tls.dot[..], &tls.doh[..], &tls.doq[..], &tls.doh3[..]),
        None => Default::default(),
    };
    vec![
        ("server.listen", format!("{:?}", server.listen)),
        ("server.workers", server.workers.to_string()),
        ("server.state", server.state.display().to_string()),
        ("server.generations", server.generations.to_string()),
        ("server.watch", server.watch.to_string()),
        ("server.user", format!("{:?}", server.user)),
        ("tls.listen_dot", format!("{dot:?}")),
        ("tls.listen_doh", format!("{doh:?}")),
        ("tls.listen_doq", format!("{doq:?}")),
        ("tls.listen_doh3", format!("{doh3:?}")),
        ("limits.tcp_connections", limits.tcp_connections.to_string()),
        ("limits.tcp_per_client", limits.tcp_per_client.to_string()),
        ("limits.tcp_idle", format!("{:?}", limits.tcp_idle)),
        ("limits.tcp_lifetime", format!("{:?}", limits.tcp_lifetime)),
        ("admin.socket", format!("{:?}", admin.socket)),
        ("admin.listen", format!("{:?}", admin.listen)),
        ("admin.token_file", format!("{:?}", admin.token_file)),
        ("log.level", format!("{:?}", log.level)),
        ("log.format", format!("{:?}", log.format)),
    ]
}
