//! Certificate and key from files, and what is said when they do not fit.

use std::fs;
use std::path::Path;

use meridian::config;
use meridian::server::certificate::Certificate;
use meridian::server::{Origin, build};
use meridian::transport::Identity;

use super::{LIMITS, Server, ZONE, octets};
use crate::support::bed::{Bed, query};
use crate::support::certificates::Authority;
use crate::support::clients::{self, NAME};

/// What is said about a configuration with these files; empty when it is built.
fn said_about(certificate: Option<&str>, key: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "example.com.zone",
        "@ 300 SOA ns1 admin 1 7200 1800 777600 60\n@ 300 NS ns1.example.net.\n",
    );
    let text = "[server]\nzones = [\"*.zone\"]\n[geoip]\ndatabases = []\n[tls]\n\
                certificate = \"server.pem\"\nkey = \"server.key\"\n\
                listen_dot = [\"127.0.0.1:0\"]\n";
    write("meridian.toml", text);
    for (name, text) in [("server.pem", certificate), ("server.key", key)] {
        if let Some(text) = text {
            write(name, text);
        }
    }
    let loaded = config::load(&folder.path().join("meridian.toml")).unwrap();
    match build(loaded, Origin::Disk) {
        Ok(generation) => {
            assert_eq!(generation.encrypted.unwrap().dot.len(), 1);
            String::new()
        }
        Err(errors) => {
            let errors: Vec<_> =
                errors.into_iter().filter(|e| e.severity == config::Severity::Error).collect();
            config::render(&errors, false).replace(&shown(folder.path()), "")
        }
    }
}

fn shown(folder: &Path) -> String {
    format!("{}/", folder.display())
}

#[test]
fn a_certificate_and_its_key_are_read() {
    let (certificate, key) = Authority::new("ours").files("dns.example");
    assert_eq!(said_about(Some(&certificate), Some(&key)), "");
}

#[test]
fn files_that_are_not_there_are_shown_where_they_were_written() {
    let said = said_about(None, None);
    assert!(said.contains("cannot read server.pem: there is no such file"), "{said}");
    assert!(said.contains("cannot read server.key: there is no such file"), "{said}");
    assert!(said.contains("6 | certificate = \"server.pem\""), "{said}");
}

#[test]
fn a_key_of_another_certificate_is_said_to_be_one() {
    let authority = Authority::new("ours");
    let ((certificate, _), (_, key)) = (authority.files("one"), authority.files("other"));
    let said = said_about(Some(&certificate), Some(&key));
    let expected = "\
error[key-mismatch]: server.key: the key does not belong to the certificate
 --> meridian.toml:7:7
  |
6 | certificate = \"server.pem\"
  |               ------------ the certificate
7 | key = \"server.key\"
  |       ^^^^^^^^^^^^
  |
  = help: give the key that the first certificate of the file was made for
";
    assert_eq!(said, expected);
}

#[test]
fn files_that_hold_something_else_are_said_to() {
    let (certificate, key) = Authority::new("ours").files("dns.example");
    let swapped = said_about(Some(&key), Some(&certificate));
    assert!(swapped.starts_with("error[bad-certificate]: server.pem: there is no certificate"));
    assert!(swapped.contains("has no part `-----BEGIN CERTIFICATE-----`"), "{swapped}");
    let none = said_about(Some(&certificate), Some("no PEM"));
    assert!(none.starts_with("error[bad-key]: server.key: there is no private key"), "{none}");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken = said_about(Some(broken), Some(&key));
    assert!(broken.starts_with("error[bad-certificate]: server.pem: "), "{broken}");
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let broken = said_about(Some(&certificate), Some(broken));
    assert!(broken.starts_with("error[bad-key]: server.key: "), "{broken}");
    let cut = said_about(Some(&certificate[..200]), Some(&key));
    assert!(cut.starts_with("error[bad-certificate]: server.pem: "), "{cut}");
}

/// The certificate that a new client is shown.
async fn shown_now(server: &Server) -> Vec<u8> {
    let mut tls = server.tls().await;
    assert!(clients::ask(&mut tls, &octets(query("example.com. SOA"))).await.is_some());
    tls.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn new_connections_get_the_certificate_that_stands_in_the_files() {
    let server = Server::start(Bed::new(&[ZONE]), LIMITS);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [certificate, key] = [path("server.pem"), path("server.key")];
    let (first, its_key) = server.authority.files(NAME);
    let begin = Identity::from_pem(first.as_bytes(), its_key.as_bytes()).unwrap();
    server.identity.replace(&begin);
    let write = |name: &str, (certificate, key): &(String, String)| {
        fs::create_dir_all(path(name)).unwrap();
        fs::write(path(name).join("server.pem"), certificate).unwrap();
        fs::write(path(name).join("server.key"), key).unwrap();
    };
    // As Kubernetes mounts secrets: files are links through a link that moves.
    write("one", &(first.clone(), its_key.clone()));
    std::os::unix::fs::symlink("one", path("data")).unwrap();
    for name in ["server.pem", "server.key"] {
        std::os::unix::fs::symlink(Path::new("data").join(name), path(name)).unwrap();
    }
    let read = [first.as_bytes(), its_key.as_bytes()];
    let mut files = Certificate::new(&certificate, &key, read, server.identity.clone());
    assert!(files.look().is_none());
    let mut open = server.tls().await;
    let before = shown_now(&server).await;

    write("two", &server.authority.files(NAME));
    std::os::unix::fs::symlink("two", path("next")).unwrap();
    fs::rename(path("next"), path("data")).unwrap();
    assert!(matches!(files.look(), Some(Ok(()))));
    assert!(files.look().is_none());
    let after = shown_now(&server).await;
    assert_ne!(before, after);
    let query = octets(query("example.com. SOA"));
    assert!(clients::ask(&mut open, &query).await.is_some(), "what is open stays open");

    // A certificate whose key is yet to come; said once.
    let third = server.authority.files(NAME);
    fs::write(path("two/server.pem"), &third.0).unwrap();
    let Some(Err(error)) = files.look() else { panic!("they do not fit") };
    assert!(error.to_string().ends_with("the key does not belong to the certificate"), "{error}");
    assert!(files.look().is_none());
    fs::remove_file(path("two/server.key")).unwrap();
    let Some(Err(error)) = files.look() else { panic!("there is no key") };
    assert!(error.to_string().starts_with("cannot read "), "{error}");
    assert!(files.look().is_none());
    assert_eq!(shown_now(&server).await, after);
    fs::write(path("two/server.key"), &third.1).unwrap();
    assert!(matches!(files.look(), Some(Ok(()))));
    let last = shown_now(&server).await;
    assert!(last != after && last != before);
}
