//! A server whose region begins to fail gives answers that live no longer than the change is away.

use std::net::TcpListener;

use crate::support::dns::Ask;
use crate::support::program::{CONFIG, Files, SERVER, until};

#[test]
fn the_ttl_falls_with_the_first_failures_and_is_itself_again_after_the_change() {
    let region = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = region.local_addr().unwrap();
    let policies = format!(
        "[monitor.m]\nkind = \"tcp\"\nport = {}\ninterval = \"2s\"\ntimeout = \"1s\"\nfall = 4\n\
         [pool.a]\nmonitor = \"m\"\nmembers = [\"127.0.0.1\"]\n\
         [pool.b]\nmembers = [\"192.0.2.2\"]\n\
         [policy.pair]\nkind = \"failover\"\ntargets = [\"a\", \"b\"]\n\
         [record.\"www.example.com\"]\nuse = \"pair\"\nttl = 60\nttl_min = 3\n",
        at.port()
    );
    let serving = Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/services.toml", policies)
        .with(
            "zones/example.com.zone",
            "$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n",
        )
        .serve();
    let told = || Ask::new("www.example.com", "A").udp(serving.address());
    assert_eq!((told().one(), told().ttl()), ("127.0.0.1".to_owned(), 60));
    drop(region);
    let mut seen = vec![60];
    until("the region is down", || {
        let told = told();
        if seen.last() != Some(&told.ttl()) {
            seen.push(told.ttl());
        }
        told.one() == "192.0.2.2"
    });
    // 3, 2 and 1 results to come, 2 s apart; a slow machine may not see each.
    assert_eq!((seen[0], *seen.last().unwrap()), (60, 60));
    assert!(seen.len() > 2, "{seen:?}");
    assert!(seen[1..seen.len() - 1].iter().all(|ttl| [6, 4, 3].contains(ttl)), "{seen:?}");
}
