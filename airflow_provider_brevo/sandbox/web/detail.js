// One entry, in full. Text only ever becomes text: nothing that arrived is read as markup.

export function element(tag, { text, className, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function title(entry) {
  return entry.name || `${entry.method} ${entry.path}`;
}

export function badge(entry) {
  if (entry.status !== null) {
    const good = entry.status < 300;
    return element("span", { text: String(entry.status), className: `badge ${good ? "good" : "bad"}` });
  }
  return entry.reason === null
    ? element("span", { text: "open", className: "badge" })
    : element("span", { text: "no answer", className: "badge bad" });
}

export function clock(time) {
  return time === null ? "" : new Date(time).toLocaleTimeString([], { hour12: false });
}

function facts(entry) {
  const list = element("dl", { className: "facts" });
  const add = (name, ...shown) => list.append(element("dt", { text: name }), element("dd", {}, ...shown));
  add("Answer", badge(entry), ...(entry.reason === null ? [] : [" ", element("span", { text: entry.reason, className: "reason" })]));
  if (entry.contact_id !== null) add("Contact", `#${entry.contact_id}`, entry.identifier ? ` · ${entry.identifier}` : "");
  if (entry.event_date !== null) add("Happened", element("time", { text: entry.event_date, datetime: entry.event_date }));
  if (entry.time !== null) add("Arrived", element("time", { text: entry.time, datetime: entry.time }));
  return list;
}

function values(entry) {
  const body = element("tbody");
  for (const value of entry.values) {
    const key = element("th", { scope: "row", className: `key depth-${Math.min(value.depth, 12)}`, text: value.key });
    const shown = element("td", {}, element("code", { text: value.text }));
    if (value.note) shown.append(element("span", { text: value.note, className: "note" }));
    const row = element("tr", value.note ? { className: "ignored" } : {}, key, shown, element("td", { text: value.type, className: "type" }));
    body.append(row);
  }
  const head = element("thead", {}, element("tr", {}, ...["Field", "Value", "Type"].map((text) => element("th", { scope: "col", text }))));
  const table = element("table", { className: "values" }, element("caption", { text: "Values with their JSON types" }), head, body);
  const box = element("div", { className: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, table);
  return entry.left_out ? [box, element("p", { text: `and ${entry.left_out} more, see the body`, className: "quiet" })] : [box];
}

function raw(entry) {
  const lines = [`${entry.method} ${entry.target}`, ...entry.headers.map(([name, value]) => `${name}: ${value}`), "", entry.body];
  return [
    element("h3", { text: "Raw request" }),
    element("pre", { id: "raw", tabindex: "0", role: "region", "aria-label": "Raw request", text: lines.join("\n") }),
    element("p", { text: `The body has ${entry.bytes.toLocaleString("en")} bytes and is shown as received.`, className: "quiet" }),
  ];
}

export function render(entry) {
  const ignored = entry.values.filter((value) => value.note);
  return [
    facts(entry),
    ...entry.notes.map((text) => element("p", { text, className: "callout" })),
    ...(ignored.length ? [element("p", { className: "callout", text: `Brevo would not use ${ignored.map((value) => value.key).join(", ")}; the reason is below.` })] : []),
    ...(entry.values.length ? values(entry) : []),
    ...raw(entry),
  ];
}
