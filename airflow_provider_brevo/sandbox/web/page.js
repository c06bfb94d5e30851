// The list of what arrived, its filter and the keyboard. What matches is decided by the sandbox, which has all of it.

import { badge, clock, element, render, title } from "/_sandbox/detail.js";

const GAP = 150;
const find = (id) => document.getElementById(id);
const list = find("list");
const filters = find("filters");
const detail = find("detail");

const rows = new Map();
let active = null; // key of the row the keyboard stands on
let opened = null; // key of the entry on the right
let busy = false;
let again = false;

// --- the list

function query() {
  return new URLSearchParams([...new FormData(filters)].filter(([, value]) => value !== ""));
}

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  again = false;
  try {
    const answer = await fetch(`/_sandbox/entries?${query()}`);
    if (answer.ok) show(await answer.json());
  } catch {
    // The sandbox is away; when it is back, the stream of changes says so.
  }
  await new Promise((done) => setTimeout(done, GAP));
  busy = false;
  if (again) refresh();
}

function show(found) {
  for (const kind of ["event", "refused", "other"]) find(`count-${kind}`).textContent = found.counts[kind].toLocaleString("en");
  find("count-all").textContent = found.counts[""].toLocaleString("en");
  find("bound").textContent = bound(found);
  find("bound").hidden = found.total === 0;
  find("hint").hidden = found.total === 0 || !detail.hidden;
  find("connection").textContent = found.connection;
  find("names").replaceChildren(...found.names.map((value) => element("option", { value })));
  find("nothing").hidden = found.total > 0;
  find("unmatched").hidden = found.total === 0 || found.entries.length > 0;
  list.hidden = found.entries.length === 0;
  const before = new Map(rows);
  rows.clear();
  for (const entry of found.entries) {
    const looks = JSON.stringify(entry);
    const old = before.get(entry.key);
    rows.set(entry.key, old?.looks === looks ? old : { looks, node: row(entry) });
  }
  list.replaceChildren(...[...rows.values()].map(({ node }) => node));
  mark();
}

function bound({ kept, total, limit }) {
  if (total <= limit) return `Newest first; the newest ${limit.toLocaleString("en")} are shown.`;
  return `The newest ${kept.toLocaleString("en")} of ${total.toLocaleString("en")} are shown.`;
}

function row(entry) {
  const who = entry.contact_id === null ? entry.identifier : `#${entry.contact_id} ${entry.identifier}`;
  const second = element("span", { className: "second" });
  if (entry.reason !== null) second.append(element("span", { text: entry.reason, className: "reason" }), who ? ` · ${who}` : "");
  else second.append(who);
  const first = element("span", { className: "first" }, element("span", { text: title(entry), className: "name" }));
  if (entry.ignored) first.append(element("span", { text: "object ignored", className: "badge warn" }));
  const node = element("li", { role: "option", id: `entry-${entry.key}`, className: entry.kind, "data-key": entry.key },
    element("time", { text: clock(entry.time), datetime: entry.time ?? "" }), first, badge(entry), second);
  node.addEventListener("click", () => {
    active = entry.key;
    list.focus();
    open(entry.key);
  });
  return node;
}

function mark() {
  if (!rows.has(active)) active = null;
  for (const [key, { node }] of rows) {
    node.setAttribute("aria-selected", String(key === opened));
    node.classList.toggle("active", key === active);
  }
  if (active === null) list.removeAttribute("aria-activedescendant");
  else list.setAttribute("aria-activedescendant", `entry-${active}`);
}

function move(to) {
  const keys = [...rows.keys()];
  if (!keys.length) return;
  active = keys[Math.max(0, Math.min(keys.length - 1, to(keys.indexOf(active), keys.length)))];
  mark();
  rows.get(active).node.scrollIntoView({ block: "nearest" });
  if (opened !== null) open(active, { focus: false });
}

// --- one entry

async function open(key, { focus = true } = {}) {
  opened = key;
  mark();
  try {
    const answer = await fetch(`/_sandbox/entries/${encodeURIComponent(key)}`);
    if (opened !== key) return;
    if (!answer.ok) return close();
    const entry = await answer.json();
    if (opened !== key) return;
    find("detail-title").textContent = title(entry);
    find("detail-body").replaceChildren(...render(entry));
  } catch {
    return;
  }
  detail.hidden = false;
  find("hint").hidden = true;
  document.body.classList.add("with-detail");
  detail.scrollTop = 0;
  if (focus) find("detail-title").focus({ preventScroll: true });
}

function close() {
  opened = null;
  detail.hidden = true;
  find("hint").hidden = false;
  document.body.classList.remove("with-detail");
  mark();
  list.focus({ preventScroll: true });
}

// --- the keyboard

const moves = {
  ArrowDown: (at) => at + 1, j: (at) => at + 1, ArrowUp: (at) => at - 1, k: (at) => at - 1,
  Home: () => 0, End: (at, length) => length - 1, PageDown: (at) => at + 10, PageUp: (at) => at - 10,
};

list.addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey) return;
  if (moves[press.key]) move(moves[press.key]);
  else if ((press.key === "Enter" || press.key === " ") && active !== null) open(active);
  else return;
  press.preventDefault();
});

list.addEventListener("focus", () => {
  if (active === null && rows.size) {
    active = rows.keys().next().value;
    mark();
  }
});

document.addEventListener("keydown", (press) => {
  if (press.ctrlKey || press.metaKey || press.altKey || find("sure").open) return;
  const typing = press.target instanceof HTMLInputElement && press.target.type === "search";
  if (press.key === "/" && !typing) {
    find("name").focus();
    press.preventDefault();
  } else if (press.key === "Escape" && opened !== null && !typing) {
    close();
  } else if ((press.key === "j" || press.key === "k") && !typing && press.target !== list) {
    move(moves[press.key]);
    if (detail.hidden) list.focus({ preventScroll: true });
  }
});

// --- filter and buttons

filters.addEventListener("input", refresh);
filters.addEventListener("submit", (submit) => {
  submit.preventDefault();
  list.focus();
});
find("show-all").addEventListener("click", () => {
  filters.reset();
  refresh();
  list.focus();
});
find("close").addEventListener("click", close);
find("clear").addEventListener("click", () => find("sure").showModal());
find("keep").addEventListener("click", () => find("sure").close());
find("forget").addEventListener("click", async () => {
  find("sure").close();
  await fetch("/_sandbox/clear", { method: "POST", headers: { "X-Sandbox-Page": "clear" } });
  if (opened !== null) close();
  refresh();
});
find("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(find("connection").textContent);
    find("copied").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(find("connection"));
    find("copied").textContent = "Selected: copy it with the keyboard";
  }
});

// --- live

function listen() {
  const stream = new EventSource("/_sandbox/changes");
  const say = (state, text) => {
    const live = find("live");
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.textContent = text;
  };
  stream.onopen = () => say("live", "Live");
  stream.onmessage = refresh;
  stream.onerror = () => {
    say("away", "Not connected, trying again …");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 1000);
  };
}

listen();
