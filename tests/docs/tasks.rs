//! The pages of `docs/tasks`, each tried as a reader tries it.

use crate::support::page::{self, Page};

#[test]
fn a_first_policy() {
    follow("first-policy");
}

#[test]
fn delegating_a_zone() {
    follow("delegate");
}

#[test]
fn an_answer_to_be_explained() {
    follow("debug");
}

#[test]
fn how_large_it_is() {
    follow("sizing");
}

#[test]
fn keeping_it_safe() {
    follow("security");
}

#[test]
fn every_page_is_tried_and_listed() {
    page::every_page_is_tried_and_listed("tasks", include_str!("tasks.rs"));
}

fn follow(name: &str) {
    Page::read(&format!("tasks/{name}")).follow();
}
