// The dashboard: reads the control API and shows what it says. Changes nothing.
"use strict";

const PACE = 2000; // milliseconds between two looks
const KEPT = 60; // looks that a sparkline shows
const EVENTS = 200; // events on the page
// Colours of pools in the order of the files: told apart by most eyes, in light and dark.
const COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#99ddff", "#bbbbbb"];

const find = (id) => document.getElementById(id);
const countries = new Intl.DisplayNames(undefined, { type: "region" });
const series = new Map(); // what sparklines show, by what they are of
let pools = []; // names, in the order of the files
let last = null; // when queries were counted last, and how many there were
let answered = []; // answers by pool at the last looks, the oldest first

/** An element with text or other elements inside. */
function make(tag, inside = [], attributes = {}) {
  const svg = ["svg", "path", "polyline", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...[inside].flat());
  return element;
}

async function json(path) {
  const response = await fetch(path);
  const body = await response.json();
  if (!response.ok) throw new Error(body.error);
  return body;
}

const time = (millis) => new Date(millis).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
const percent = (share) => `${Math.round(share * 100)} %`;

function colour(pool) {
  const index = pools.indexOf(pool);
  return index < 0 ? "#777777" : COLOURS[index % COLOURS.length];
}

/** Remembers a value and draws the last ones. */
function spark(key, value, svg) {
  const values = series.get(key) ?? [];
  values.push(value);
  if (values.length > KEPT) values.shift();
  series.set(key, values);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const top = Math.max(1e-9, ...values);
  const point = (v, i) => `${(i * width) / (KEPT - 1)},${(height - 1 - (v / top) * (height - 2)).toFixed(1)}`;
  svg.replaceChildren(make("polyline", [], { points: values.map(point).join(" ") }));
}

/** The sum of a metric's samples in Prometheus' text. */
function sum(metrics, name) {
  let total = 0;
  for (const line of metrics.split("\n")) {
    if (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) total += Number(line.slice(line.lastIndexOf(" ")));
  }
  return total;
}

/** Remembers how often each pool was answered, and says its share of the answers of the last looks. */
function shareOfAnswers(metrics) {
  const now = new Map();
  for (const line of metrics.split("\n")) {
    if (!line.startsWith("meridian_answers_total{")) continue;
    const pool = line.match(/,pool="((?:[^"\\]|\\.)*)"/)[1].replace(/\\(.)/g, "$1");
    now.set(pool, (now.get(pool) ?? 0) + Number(line.slice(line.lastIndexOf(" "))));
  }
  // A server that was started anew counts from 0.
  if (answered.some((then) => [...then].some(([pool, count]) => count > (now.get(pool) ?? 0)))) answered = [];
  answered.push(now);
  if (answered.length > KEPT) answered.shift();
  const more = (pool) => (now.get(pool) ?? 0) - (answered[0].get(pool) ?? 0);
  const all = pools.reduce((sum, pool) => sum + more(pool), 0);
  return (pool) => (all ? more(pool) / all : null);
}

function showStatus(status, metrics) {
  const troubles = [...status.warnings];
  if (status.panics.length) troubles.push(`nothing is up for ${status.panics.join(", ")}`);
  if (status.reload?.error) troubles.push("the last reload was refused: the old generation answers");
  find("state").textContent = troubles.join("; ") || "All is well";
  find("state").className = troubles.length ? "down" : "up";
  find("zones").textContent = status.zone_count;
  find("records").textContent = status.record_count;
  find("generation").textContent = status.generation;
  find("started").textContent = time(status.started);
  const queries = sum(metrics, "meridian_queries_total");
  find("queries").textContent = queries;
  const now = performance.now();
  // A server that was started anew counts from 0.
  if (last && queries >= last.queries) {
    const rate = ((queries - last.queries) * 1000) / (now - last.now);
    find("rate").textContent = rate.toFixed(rate < 10 ? 1 : 0);
    spark("rate", rate, find("pulse"));
  }
  last = { now, queries };
}

function showNames(records) {
  const select = find("names");
  const shown = [...select.options].map((option) => option.value);
  if (shown.join() === records.join()) return;
  const chosen = select.value;
  select.replaceChildren(...records.map((name) => make("option", name, { value: name })));
  if (records.includes(chosen)) select.value = chosen;
  find("known").replaceChildren(...records.map((name) => make("option", [], { value: name })));
}

function showMember(pool, member) {
  const svg = make("svg", [], { class: "spark", viewBox: "0 0 90 20", preserveAspectRatio: "none", role: "img",
    "aria-label": "Time to answer, lately" });
  if (member.server_ms != null) spark(`${pool.name}/${member.name}`, member.server_ms, svg);
  const notes = [member.reason, member.hold, ...(member.warnings ?? [])].filter(Boolean).join("; ");
  return make("tr", [
    make("td", member.name),
    make("td", member.verdict, { class: member.verdict }),
    make("td", member.server_ms == null ? "" : `${member.server_ms.toFixed(0)} ms`),
    make("td", svg),
    make("td", make("small", [notes, member.since ? ` since ${time(member.since)}` : ""])),
  ]);
}

function showPools(health, metrics) {
  pools = health.pools.map((pool) => pool.name);
  const share = shareOfAnswers(metrics);
  const show = (pool) => {
    const facts = [make("span", pool.state, { class: pool.state })];
    if (pool.share < 1) facts.push(`keeps ${percent(pool.share)} of its clients`);
    if (share(pool.name) != null) facts.push(`${percent(share(pool.name))} of answers lately`);
    if (pool.load != null) facts.push(`load ${percent(pool.load)}`);
    const spot = make("span", [], { class: "spot" });
    spot.style.background = colour(pool.name);
    return make("div", [
      make("h3", [make("span", [spot, pool.name]), ...facts]),
      make("p", `decided by ${pool.decided_by}`),
      make("div", make("table", make("tbody", pool.members.map((member) => showMember(pool, member)))), { class: "scroll" }),
    ], { class: "pool" });
  };
  find("pools").replaceChildren(...health.pools.map(show));
}

async function showWorld() {
  const name = find("names").value;
  if (!name) return;
  const world = await json(`v1/world?${new URLSearchParams({ name })}`);
  const shares = (country) => Object.entries(world.countries[country] ?? {}).sort((a, b) => b[1] - a[1]);
  const said = (country) => shares(country).map(([pool, share]) => `${pool} ${percent(share)}`).join(", ");
  const used = new Set();
  for (const path of find("map").children) {
    const country = path.dataset.country;
    const [first] = shares(country);
    path.style.fill = first ? colour(first[0]) : "";
    if (first) used.add(first[0]);
    path.firstChild.textContent = `${countries.of(country)}: ${said(country) || "no clients known"}`;
  }
  const entry = (pool) => {
    const spot = make("span");
    spot.style.background = colour(pool);
    return make("li", [spot, pool]);
  };
  find("legend").replaceChildren(...[...used].sort((a, b) => pools.indexOf(a) - pools.indexOf(b)).map(entry));
  const rows = Object.keys(world.countries).map((code) => [countries.of(code), said(code)]).sort();
  find("countries").replaceChildren(...rows.map(([country, said]) => make("tr", [make("th", country, { scope: "row" }), make("td", said)])));
}

async function drawMap() {
  const world = await json("world.json");
  const draw = ([country, outline]) => make("path", make("title"), { d: outline, "data-country": country });
  find("map").replaceChildren(...Object.entries(world).map(draw));
}

function showEvents(entries) {
  const list = find("events");
  for (const entry of entries) {
    list.prepend(make("li", [make("time", time(entry.at), { datetime: new Date(entry.at).toISOString() }), " ", entry.text]));
  }
  while (list.children.length > EVENTS) list.lastChild.remove();
}

async function look() {
  const [status, health, metrics] = await Promise.all([
    json("v1/status"),
    json("v1/health"),
    fetch("metrics").then((response) => response.text()),
  ]);
  showPools(health, metrics);
  showNames(status.records);
  showStatus(status, metrics);
}

const sleep = (millis) => new Promise((done) => setTimeout(done, millis));

/** Does something over and over, and says so when the server does not answer. */
async function forever(work) {
  for (;;) {
    try {
      await work();
    } catch (error) {
      find("state").textContent = `No answer from the server: ${error.message}`;
      find("state").className = "down";
    }
    await sleep(PACE);
  }
}

async function followEvents() {
  let entries = await json(`v1/events?limit=${EVENTS}`);
  let after = 0;
  find("events").replaceChildren();
  for (;;) {
    showEvents(entries);
    after = entries.at(-1)?.number ?? after;
    entries = await json(`v1/events?after=${after}&limit=${EVENTS}&wait=30`);
    // Whatever happened may have moved clients.
    if (entries.length) await showWorld();
  }
}

find("names").addEventListener("change", () => showWorld());
find("explain").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = new URLSearchParams(new FormData(event.target));
  const shown = find("explained");
  shown.hidden = false;
  try {
    shown.textContent = (await json(`v1/explain?${asked}`)).text;
  } catch (error) {
    shown.textContent = error.message;
  }
});

async function start() {
  await drawMap();
  await look();
  await showWorld();
  forever(followEvents);
  await forever(look);
}

forever(start);
