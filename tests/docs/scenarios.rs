//! The pages of `docs/scenarios`, each tried as a reader tries it.

use crate::support::page::{self, Page};

#[test]
fn a_regional_failure() {
    follow("regional-failure");
}

#[test]
fn degraded_performance() {
    follow("degraded-performance");
}

#[test]
fn planned_maintenance() {
    follow("maintenance");
}

#[test]
fn a_canary() {
    follow("canary");
}

#[test]
fn blue_green() {
    follow("blue-green");
}

#[test]
fn active_active() {
    follow("active-active");
}

#[test]
fn active_passive() {
    follow("active-passive");
}

#[test]
fn every_page_is_tried_and_listed() {
    page::every_page_is_tried_and_listed("scenarios", include_str!("scenarios.rs"));
}

fn follow(name: &str) {
    Page::read(&format!("scenarios/{name}")).follow();
}
