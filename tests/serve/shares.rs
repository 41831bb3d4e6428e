//! `meridian serve` with a region that comes back: its clients return a few at a time.

use crate::support::dns::Ask;
use crate::support::hostile::{Behaviour, Server};
use crate::support::program::{CONFIG, Files, SERVER, Serving, ZONE, until};

const EAST: &str = "192.0.2.10";
const WEST: &str = "198.51.100.10";
const CLIENTS: usize = 64;

/// The region of each of the clients, one in each /24.
fn regions(serving: &Serving) -> Vec<String> {
    let ask = |n: usize| {
        let told = Ask::new("www.example.com", "A").from(&format!("203.0.{n}.0/24"));
        told.udp(serving.address()).one()
    };
    (0..CLIENTS).map(ask).collect()
}

fn in_east(regions: &[String]) -> usize {
    regions.iter().filter(|region| *region == EAST).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_comes_back_gets_its_clients_back_a_few_at_a_time() {
    let east = Server::start(Behaviour::good()).await;
    let west = Server::start(Behaviour::good()).await;
    let files = Files::new().with(CONFIG, SERVER).with("zones/example.com.zone", ZONE).with(
        "config/policies/services.toml",
        format!(
            r#"
                [monitor.web]
                kind = "http"
                path = "/health"
                interval = "1s"
                timeout = "500ms"
                fall = 2
                rise = 1
                [pool.east]
                monitor = "web"
                ramp = "12s"
                members = [{{ address = "{EAST}", check = "{}" }}]
                [pool.west]
                monitor = "web"
                members = [{{ address = "{WEST}", check = "{}" }}]
                [policy.pair]
                kind = "failover"
                targets = ["east", "west"]
                [record."www.example.com"]
                use = "pair"
                ttl = 2
                "#,
            east.address, west.address
        ),
    );
    let mut serving = files.serve();
    // No ramp at a start: all are there at once.
    assert_eq!(in_east(&regions(&serving)), CLIENTS);

    east.now(Behaviour::status(503, "no"));
    until("nobody is in the region that fails", || in_east(&regions(&serving)) == 0);

    east.now(Behaviour::good());
    serving.log(&["INFO", "pool east came back up: 10 % of its clients"]);
    let mut seen = vec![regions(&serving)];
    until("everybody is back", || {
        let now = regions(&serving);
        let all = in_east(&now) == CLIENTS;
        seen.push(now);
        all
    });
    serving.log(&["INFO", "pool east came back up: 100 % of its clients"]);
    let counts: Vec<usize> = seen.iter().map(|regions| in_east(regions)).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(counts.iter().any(|count| (1..CLIENTS).contains(count)), "{counts:?}");
    for pair in seen.windows(2) {
        let left = (0..CLIENTS).filter(|n| pair[0][*n] == EAST && pair[1][*n] != EAST).count();
        assert_eq!(left, 0, "who has returned stays");
    }
    assert_eq!(serving.process.stop(), Some(0));
}
