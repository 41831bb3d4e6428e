//! nginx and HAProxy as regional load balancers, run from the files in `config/regional`: health
//! through them, load from their statistics, draining from both sides.
//!
//! Where one of the programs is not installed, its tests say so and pass.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use meridian::health::{Kind, Load, LoadPage, Meter, Monitor};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::support::checks::{check, exchange, monitor};
use crate::support::dns::Ask;
use crate::support::program::{Files, PATIENCE, SERVER, Serving, until};

/// A server behind a regional load balancer. It stops when it is dropped.
struct Backend {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    /// Requests for `/slow` are answered when there are permits.
    gate: Arc<Semaphore>,
    task: tokio::task::JoinHandle<()>,
}

impl Backend {
    async fn start(address: &str) -> Backend {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let (count, wait) = (asked.clone(), gate.clone());
        let health = move || async move {
            count.fetch_add(1, SeqCst);
            "ok"
        };
        let slow = move || async move {
            let _permit = wait.acquire().await.unwrap();
            "ok"
        };
        let router = Router::new().route("/health", get(health)).route("/slow", get(slow));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Backend { address, asked, gate, task }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A load balancer with two backends. It ends when it is dropped.
struct Region {
    child: Child,
    directory: TempDir,
    /// Where clients go.
    web: SocketAddr,
    /// Where its statistics are.
    statistics: SocketAddr,
}

impl Region {
    async fn nginx(address: &str, backends: [SocketAddr; 2]) -> Option<Region> {
        let program = installed("nginx")?;
        let directory = TempDir::new().unwrap();
        let (web, statistics) = (free(address), free(address));
        let own = "http {\n access_log off;\n client_body_temp_path body;\n proxy_temp_path proxy;\n \
                   fastcgi_temp_path fastcgi;\n uwsgi_temp_path uwsgi;\n scgi_temp_path scgi;\n";
        let file = sample(
            "nginx/nginx.conf",
            &[
                ("http {\n", own),
                ("listen 80;", &format!("listen {web};")),
                ("listen 8404;", &format!("listen {statistics};")),
                ("server 10.0.0.11:8080", &format!("server {}", backends[0])),
                ("server 10.0.0.12:8080", &format!("server {}", backends[1])),
                ("fail_timeout=5s", "fail_timeout=1s"),
                ("allow 192.0.2.53;", "allow 127.0.0.0/8;"),
            ],
        );
        fs::write(directory.path().join("nginx.conf"), file).unwrap();
        let child = Command::new(program)
            .args(["-p", directory.path().to_str().unwrap(), "-c", "nginx.conf", "-e", "stderr"])
            .args(["-g", "daemon off; pid nginx.pid;"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Some(Region { child, directory, web, statistics }.ready().await)
    }

    async fn haproxy(address: &str, backends: [SocketAddr; 2]) -> Option<Region> {
        let program = installed("haproxy")?;
        let directory = TempDir::new().unwrap();
        let (web, statistics) = (free(address), free(address));
        let socket = directory.path().join("admin.sock");
        let file = sample(
            "haproxy/haproxy.cfg",
            &[
                ("/run/haproxy/admin.sock mode 660", socket.to_str().unwrap()),
                ("bind :80\n", &format!("bind {web}\n")),
                ("bind :8404\n", &format!("bind {statistics}\n")),
                ("server one 10.0.0.11:8080", &format!("server one {}", backends[0])),
                ("server two 10.0.0.12:8080", &format!("server two {}", backends[1])),
                ("inter 1s", "inter 100ms"),
                // A backend on a busy machine is slow, and not down.
                ("timeout connect 1s", "timeout connect 1s\n    timeout check 30s"),
                ("maxconn 100\n", "maxconn 4\n"),
                ("src 192.0.2.53", "src 127.0.0.0/8"),
            ],
        );
        let path = directory.path().join("haproxy.cfg");
        fs::write(&path, file).unwrap();
        let child = Command::new(program)
            .args(["-db", "-f", path.to_str().unwrap()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Some(Region { child, directory, web, statistics }.ready().await)
    }

    /// Waits until it accepts.
    async fn ready(mut self) -> Region {
        let accepts = async {
            while TcpStream::connect(self.web).await.is_err() {
                assert_eq!(self.child.try_wait().unwrap(), None, "it ended");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, accepts).await.expect("a load balancer that accepts");
        self
    }

    /// A command for HAProxy's administration socket.
    fn tell(&self, command: &str) {
        let mut socket = UnixStream::connect(self.directory.path().join("admin.sock")).unwrap();
        writeln!(socket, "{command}").unwrap();
        let mut said = String::new();
        socket.read_to_string(&mut said).unwrap();
        assert_eq!(said.trim(), "", "{command}");
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // nginx's master ends its worker only when it is asked to end, and not when it is killed.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

/// A port that nobody listens on, of an address that no other test uses.
fn free(address: &str) -> SocketAddr {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap()
}

/// A file of `config/regional`, with other addresses. Each must be in it.
fn sample(file: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/regional").join(file);
    let mut text = fs::read_to_string(path).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{file} has no `{from}`");
        text = text.replace(from, to);
    }
    text
}

/// A server with the sample's policy; its first pool is checked at the region, its second has
/// nothing to be checked at.
fn serve(name: &str, region: &Region) -> (Files, Serving) {
    let policy = policy(name, region);
    let files = Files::of(SERVER, policy);
    let serving = files.serve();
    (files, serving)
}

fn policy(name: &str, region: &Region) -> String {
    let first = format!("members = [\"{}\"]", address(name));
    let checked =
        format!("members = [{{ address = \"{}\", check = \"{}\" }}]", address(name), region.web);
    let second = address(name).replace("198.51.100.", "203.0.113.");
    let other = format!("members = [\"{second}\"]");
    let port = format!("port = {}", region.statistics.port());
    sample(
        &format!("{name}/policy.toml"),
        &[
            ("port = 8404", &port),
            ("interval = \"5s\"", "interval = \"500ms\""),
            ("timeout = \"2s\"", "timeout = \"500ms\""),
            (&first, &checked),
            (&format!("monitor = \"{name}\"\nlocation = \"aws:us-east-1\"\n{other}"), &other),
            ("kind = \"nearest\"", "kind = \"failover\""),
        ],
    )
}

/// The first pool's.
fn address(name: &str) -> &'static str {
    if name == "nginx" { "198.51.100.10" } else { "198.51.100.20" }
}

fn until_one(serving: &Serving, name: &str, address: &str) {
    let ask = Ask::new(&format!("{name}.example.com"), "A");
    until(&format!("{name} is {address}"), || ask.udp(serving.address()).one() == address);
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_up_while_one_server_is_and_says_502_when_none_is() {
    let one = Backend::start("127.0.33.1:0").await;
    let two = Backend::start("127.0.33.2:0").await;
    let places = [one.address, two.address];
    let Some(region) = Region::nginx("127.0.33.3", places).await else { return };
    let (files, mut serving) = serve("nginx", &region);
    until_one(&serving, "nginx", address("nginx"));

    drop(one);
    let asked = two.asked.load(SeqCst);
    until("the server that is left is asked", || two.asked.load(SeqCst) > asked + 4);
    assert!(!serving.process.stderr.all().contains("is down"), "nginx asks the other server");

    drop(two);
    serving.log(&["WARN", "is down (monitor nginx): 502 for GET /health, wanted 200-299"]);
    until_one(&serving, "nginx", "203.0.113.10");

    let _one = Backend::start(&places[0].to_string()).await;
    serving.log(&["INFO", "is up (monitor nginx)"]);
    until_one(&serving, "nginx", address("nginx"));

    assert_eq!(serving.process.stop(), Some(0));
    let explained = files.run(&["explain", "nginx.example.com", "--client", "192.0.2.1"]).stdout;
    assert!(explained.contains("198.51.100.10 up: monitor nginx of "), "{explained}");
    assert!(explained.contains(", load 0.00"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_says_503_when_no_server_is_left_and_when_the_region_drains_itself() {
    let one = Backend::start("127.0.34.1:0").await;
    let two = Backend::start("127.0.34.2:0").await;
    let places = [one.address, two.address];
    let Some(region) = Region::haproxy("127.0.34.3", places).await else { return };
    let (files, mut serving) = serve("haproxy", &region);
    until_one(&serving, "haproxy", address("haproxy"));
    let down = "is down (monitor haproxy): 503 for GET /health, wanted 200-299";

    drop((one, two));
    serving.log(&["WARN", down]);
    until_one(&serving, "haproxy", "203.0.113.20");
    let _one = Backend::start(&places[0].to_string()).await;
    let _two = Backend::start(&places[1].to_string()).await;
    until_one(&serving, "haproxy", address("haproxy"));

    // The region takes no new clients, for its own reasons; its servers are well.
    let before = serving.process.stderr.count();
    region.tell("set server app/one state drain");
    region.tell("set server app/two state drain");
    serving.process.stderr.wait_after(before, "the drained region", |line| line.contains(down));
    until_one(&serving, "haproxy", "203.0.113.20");
    region.tell("set server app/one state ready");
    until_one(&serving, "haproxy", address("haproxy"));

    assert_eq!(serving.process.stop(), Some(0));
    let explained = files.run(&["explain", "haproxy.example.com", "--client", "192.0.2.1"]).stdout;
    assert!(explained.contains(", load 0.00"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_meridian_drains_gets_no_new_clients_and_is_checked_on() {
    let one = Backend::start("127.0.35.1:0").await;
    let two = Backend::start("127.0.35.2:0").await;
    let Some(region) = Region::nginx("127.0.35.3", [one.address, two.address]).await else {
        return;
    };
    let (files, serving) = serve("nginx", &region);
    until_one(&serving, "nginx", address("nginx"));

    let drained = policy("nginx", &region)
        .replace("[pool.nginx-eu]\n", "[pool.nginx-eu]\nstate = \"drain\"\n");
    files.write("config/policies/services.toml", drained);
    serving.process.signal("HUP");
    until_one(&serving, "nginx", "203.0.113.10");
    let asked = || one.asked.load(SeqCst) + two.asked.load(SeqCst);
    let before = asked();
    until("the drained region is asked", || asked() > before + 3);
    let said = serving.process.stderr.all();
    assert!(!said.contains("is down (monitor"), "drained is not down: {said}");

    files.write("config/policies/services.toml", policy("nginx", &region));
    serving.process.signal("HUP");
    until_one(&serving, "nginx", address("nginx"));
}

/// The load that checks report, until it is like that.
async fn until_load(region: &Region, load: Load, is_it: impl Fn(f32) -> bool) -> f32 {
    let often = Monitor {
        interval: Duration::from_millis(20),
        load: Some(load),
        ..monitor(Kind::Http(exchange()))
    };
    let (checker, mut reports) = crate::support::checks::start(vec![check(region.web, often)]);
    let wait = async {
        loop {
            match reports.recv().await.unwrap().load {
                Some(load) if is_it(load) => return load,
                _ => {}
            }
        }
    };
    let load = tokio::time::timeout(PATIENCE, wait).await.expect("such a load");
    checker.stop().await;
    load
}

fn page(region: &Region, path: &str) -> Option<LoadPage> {
    let port = Some(region.statistics.port());
    Some(LoadPage { path: path.into(), port, is_clear: false })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_of_nginx_is_its_connections() {
    let one = Backend::start("127.0.36.1:0").await;
    let Some(region) = Region::nginx("127.0.36.3", [one.address; 2]).await else { return };
    let load = || Load { page: page(&region, "/stub_status"), meter: Meter::Nginx(100) };
    until_load(&region, load(), |load| load > 0.0 && load < 0.05).await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(TcpStream::connect(region.web).await.unwrap());
    }
    until_load(&region, load(), |load| load > 0.5 && load < 0.55).await;
    drop(clients);
    until_load(&region, load(), |load| load < 0.05).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_of_haproxy_is_sessions_against_what_its_living_servers_may_have() {
    let one = Backend::start("127.0.37.1:0").await;
    let two = Backend::start("127.0.37.2:0").await;
    let Some(region) = Region::haproxy("127.0.37.3", [one.address, two.address]).await else {
        return;
    };
    let load = || {
        let meter = Meter::Haproxy("app".into());
        Load { page: page(&region, "/stats;csv"), meter }
    };
    assert_eq!(until_load(&region, load(), |_| true).await, 0.0);
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = TcpStream::connect(region.web).await.unwrap();
        client.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        clients.push(client);
    }
    // Two servers with `maxconn 4`.
    until_load(&region, load(), |load| load == 0.5).await;
    region.tell("set server app/two state maint");
    // One server, for the four that it has and the other still has.
    until_load(&region, load(), |load| load > 0.9).await;
    one.gate.add_permits(100);
    two.gate.add_permits(100);
    until_load(&region, load(), |load| load < 0.01).await;
}

#[test]
fn every_sample_of_a_regional_load_balancer_passes_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/regional");
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["aws", "azure", "envoy", "google", "haproxy", "nginx"]);
    for name in names {
        let files = Files::of(SERVER, sample(&format!("{name}/policy.toml"), &[]));
        let checked = files.run(&["check"]);
        assert_eq!(checked.code, 0, "{name}: {}", checked.stderr);
    }
}

/// A file of a policy with mistakes that only compiling finds.
fn refused(monitor: &str) -> String {
    let policy = format!(
        "[monitor.m]\nkind = \"http\"\n{monitor}\n[pool.p]\nmonitor = \"m\"\n\
         members = [\"192.0.2.1\"]\n[record.\"www.example.com\"]\nuse = \"p\"\n"
    );
    let files = Files::of(SERVER, policy);
    let checked = files.run(&["check"]);
    assert_eq!(checked.code, 2, "{monitor}: {}", checked.stderr);
    checked.stderr
}

#[test]
fn a_formula_and_an_expression_that_cannot_be_used_are_shown_where_they_stand() {
    let said = refused("load = { json = { cpu = \"/cpu\" }, formula = \"0.5*cpus\" }");
    assert!(said.contains("in the formula: `cpus` is none of its values: `cpu`"), "{said}");
    assert!(said.contains("services.toml:3:50"), "{said}");
    let said = refused("load = { json = { \"a-b\" = \"/cpu\" }, formula = \"a\" }");
    assert!(said.contains("`a-b` cannot stand in a formula"), "{said}");
    let said = refused("expect = { body_regex = \"a(b\" }");
    assert!(said.contains("not a regular expression: unclosed group"), "{said}");
    let said = refused("expect = { header = { \"x-a\" = { regex = \"(a{1000}){1000}\" } } }");
    assert!(said.contains("the regular expression is too large"), "{said}");
}
