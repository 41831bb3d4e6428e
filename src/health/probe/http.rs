//! The check that asks over HTTP or HTTPS.

use super::NotReady;
use super::judge;
use super::load::read;
use super::marks::Marks;
use super::page::Page;
use super::resolve::Lookups;
use super::success::Success;
use super::tls::Tls;
use crate::health::check::{Check, Target};
use crate::health::failure::Failure;
use crate::health::load::{Load, LoadPage};
use crate::health::monitor::{Exchange, Request, Trust};

/// A page that must be as expected, and another one that may say how busy the target is.
#[derive(Debug)]
pub(super) struct Http {
    page: Page,
    exchange: Exchange,
    load: Option<Load>,
    load_page: Option<Page>,
}

impl Http {
    /// `trust` is `None` for a check in clear text.
    pub(super) fn new(
        check: &Check,
        exchange: &Exchange,
        trust: Option<&Trust>,
        lookups: &Lookups,
        tls: &mut Tls,
    ) -> Result<Http, NotReady> {
        let mut page = |target: &Target, request: &Request, trust, expiry| {
            let lookup = lookups.of(target);
            match trust {
                Some(trust) => Page::over_tls(target, lookup, request, (trust, expiry), tls),
                None => Page::new(target, lookup, request),
            }
        };
        let load = check.monitor.load.clone();
        let load_page = match load.as_ref().and_then(|load| load.page.as_ref()) {
            Some(LoadPage { path, port, is_clear }) => {
                let target = port.map_or(check.target.clone(), |port| check.target.at(port));
                let request = exchange.request.for_load(path);
                Some(page(&target, &request, trust.filter(|_| !is_clear), None)?)
            }
            None => None,
        };
        Ok(Http {
            page: page(&check.target, &exchange.request, trust, exchange.expect.expiry)?,
            exchange: exchange.clone(),
            load,
            load_page,
        })
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Success, Failure> {
        let expect = &self.exchange.expect;
        let load = self.load.as_ref().filter(|load| load.page.is_none());
        let is_read = load.is_some()
            || expect.body.is_some()
            || expect.body_regex.is_some()
            || !expect.json.is_empty();
        let judge = |status, headers: &_| {
            judge::head(&self.exchange, status, headers)?;
            Ok(is_read)
        };
        let response = self.page.ask(marks, judge).await?;
        let timing = marks.timing();
        judge::body(expect, &response.body, response.is_whole)?;
        judge::latency(expect, timing.total)?;
        let expiring = marks.expires();
        judge::expiry(expect.expiry, expiring)?;
        let load = load.map(|load| read(&load.meter, &response));
        Ok(Success { timing, expiring, load })
    }

    /// Whether the load is said by a page of its own.
    pub(super) fn has_load_page(&self) -> bool {
        self.load_page.is_some()
    }

    /// The load that a page of its own says; `None` when there is no such page.
    pub(super) async fn load(&self) -> Option<Result<f32, String>> {
        let (load, page) = (self.load.as_ref()?, self.load_page.as_ref()?);
        let path = load.page.as_ref().map_or("", |page| &page.path);
        let judge = |status, _: &_| match status {
            200..=299 => Ok(true),
            _ => {
                let (request, wanted) = (format!("GET {path}"), "200-299".to_owned());
                Err(Failure::Status { status, request, wanted })
            }
        };
        // The times are those of the check; the load has none.
        let response = page.ask(&Marks::new(false), judge).await;
        Some(match response {
            Ok(response) => read(&load.meter, &response),
            Err(failure) => Err(failure.to_string()),
        })
    }
}
