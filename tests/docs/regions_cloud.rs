//! The load balancers of clouds as regions, by host name: the files in `config/regional`, with a
//! resolver and load balancers on the loopback network in place of the clouds'.

use std::fs;
use std::path::Path;

use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{Files, SERVER, until};
use crate::support::upstream::Upstream;

/// What stands for one cloud: its folder, the names of its load balancers in Europe and in
/// America, and whether the second is asked for a page; else for a connection.
struct Cloud {
    name: &'static str,
    europe: &'static str,
    america: &'static str,
    asks_america: bool,
}

/// The sample, with checks in clear text on another port, and more often.
fn sample(cloud: &Cloud, port: u16) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config/regional")
        .join(cloud.name)
        .join("policy.toml");
    let mut text = fs::read_to_string(path).unwrap();
    let mut changes = vec![
        ("kind = \"https\"", format!("kind = \"http\"\nport = {port}")),
        ("expect = { certificate_days = 14 }\n", String::new()),
        ("interval = \"5s\"\ntimeout = \"2s\"", "interval = \"300ms\"\ntimeout = \"300ms\"".into()),
    ];
    if !cloud.asks_america {
        changes.push(("port = 443", format!("port = {port}")));
    }
    for (from, to) in changes {
        assert!(text.contains(from), "{}: {from}", cloud.name);
        text = text.replace(from, &to);
    }
    text
}

async fn followed(cloud: Cloud, network: u8) {
    let at = |host: u8| format!("127.0.{network}.{host}");
    let europe = Server::start_on(&format!("{}:0", at(1)), Behaviour::good()).await;
    let port = europe.address.port();
    let moved = Server::start_on(&format!("{}:{port}", at(2)), Behaviour::good()).await;
    let america = Server::start_on(&format!("{}:{port}", at(3)), Behaviour::good()).await;
    let upstream = Upstream::start();
    // As clouds do it: a name of theirs that is an alias of another.
    let node = "node-1.cloud.example.";
    upstream.alias(&format!("{}.", cloud.europe), 60, node);
    upstream.set(node, 1, &[&at(1)]);
    upstream.set(&format!("{}.", cloud.america), 60, &[&at(3)]);
    let resolver =
        format!("[resolver]\nservers = [\"{}\"]\nrefresh_min = \"1s\"\n", upstream.address);
    let files = Files::of(format!("{SERVER}{resolver}"), sample(&cloud, port));
    let mut serving = files.serve();
    let record = format!("{}.example.com", cloud.name);
    // Nobody is located here, so Europe is the first choice of all.
    let one = || Ask::new(&record, "A").udp(serving.address()).one();
    assert_eq!(one(), at(1));

    // No healthy target behind it.
    europe.now(Behaviour::status(503, ""));
    until("clients go to America", || one() == at(3));
    serving.log(&["pool ", "-eu is down"]);
    let health = files.run(&["ctl", "health"]).stdout;
    assert!(health.contains(cloud.europe) && health.contains("503 for GET /health"), "{health}");
    europe.now(Behaviour::good());
    until("clients are back", || one() == at(1));

    // The cloud moves its load balancer to another address.
    upstream.set(node, 1, &[&at(2)]);
    until("the address is followed", || one() == at(2));
    let explained = files.run(&["ctl", "explain", &record, "--client", "192.0.2.1"]).stdout;
    assert!(explained.contains(&format!("of {}. (found ", cloud.europe)), "{explained}");

    // America takes no connection any more, and then Europe neither: the best is still said.
    drop(america);
    serving.log(&["pool ", "-us is down"]);
    assert_eq!(one(), at(2));
    drop(moved);
    serving.log(&["nothing is up"]);
    assert_eq!(one(), at(2));
    assert_eq!(serving.process.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_and_a_network_load_balancer_of_aws() {
    let cloud = Cloud {
        name: "aws",
        europe: "web-1234567890.eu-west-1.elb.amazonaws.com",
        america: "web-0123456789abcdef.elb.us-east-1.amazonaws.com",
        asks_america: false,
    };
    followed(cloud, 41).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regional_load_balancers_of_google_cloud() {
    let cloud = Cloud {
        name: "google",
        europe: "web.europe-west1.gcp.example.com",
        america: "web.us-central1.gcp.example.com",
        asks_america: true,
    };
    followed(cloud, 42).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gateway_and_a_load_balancer_of_azure() {
    let cloud = Cloud {
        name: "azure",
        europe: "web-eu.westeurope.cloudapp.azure.com",
        america: "web-us.eastus.cloudapp.azure.com",
        asks_america: false,
    };
    followed(cloud, 43).await;
}
