// Search in both languages. A Latin word is looked for as the beginning of words, Chinese as it stands; a run of Chinese that
// occurs nowhere is taken apart into pairs of characters. Titles and headings count most, then emphasised words, where a term
// is introduced, then the text.
"use strict";
const HAN = /[\u3400-\u9fff]/;

// One form for spellings that mean the same. The length of a text must not change, since snippets are cut from the original.
function plain(text) {
  return text.toLowerCase().replace(/[-\u2010-\u2013_]/g, " ").replace(/isation/g, "ization");
}

function split(query) {
  const terms = plain(query.normalize("NFKC")).match(/[\u3400-\u9fff]+|[a-z0-9@\u00c0-\u024f+/]+/g) || [];
  return terms.map((term) => (HAN.test(term) || term.length < 4 ? term : term.replace(/(?:e?s)$/, "")));
}

// How often a term occurs in a plain text.
function count(text, term) {
  let found = 0;
  for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length))
    if (HAN.test(term) || at === 0 || !/[a-z0-9]/.test(text[at - 1])) found += 1;
  return found;
}

function prepare(held) {
  if (held.ready) return;
  held.ready = true;
  for (const page of held.pages) {
    page.plain = plain(page.title);
    for (const section of page.sections)
      section.plain = { heading: plain(section.heading), key: plain(section.key), text: plain(section.text), code: plain(section.code) };
  }
}

// [names in the language of the page, names in the other] of the glossary that are just what was asked for.
function glossary(held, query) {
  const wanted = split(query).join(" ");
  return held.terms.filter((pair) => pair.some((names) => names.split(" / ").some((name) => split(name).join(" ") === wanted)));
}

function weigh(page, term) {
  let best = 0, rest = 0;
  page.values = page.values || [];
  page.sections.forEach((section, place) => {
    const text = count(section.plain.text, term), keys = count(section.plain.key, term);
    const value = 7 * Math.min(1, count(section.plain.heading, term)) + 5 * Math.min(2, keys) + (3 * text) / (text + 2) + Math.min(1, count(section.plain.code, term));
    page.values[place] = (page.values[place] || 0) + value;
    best = Math.max(best, value);
    rest += value;
  });
  return 14 * Math.min(1, count(page.plain, term)) + best + 2 * Math.log1p(rest - best);
}

function rank(held, terms, phrase) {
  const scores = held.pages.map((page) => { page.values = []; return { page, score: 0, met: 0 }; });
  for (const term of phrase ? [...terms, phrase] : terms) {
    const values = held.pages.map((page) => weigh(page, term));
    const rare = Math.log(1 + held.pages.length / (1 + values.filter((value) => value > 0).length));
    values.forEach((value, place) => {
      if (!value) return;
      scores[place].score += value * (0.3 + rare);
      if (term !== phrase) scores[place].met += 1;
    });
  }
  for (const one of scores) one.score *= (one.met / terms.length) ** 2 * (one.page.weight || 1);
  return scores.filter((one) => one.score > 0);
}

function search(held, query) {
  prepare(held);
  let terms = split(query);
  if (!terms.length) return [];
  const phrase = terms.join(" ");
  const everything = (term) => held.pages.some((page) => count(page.plain, term) || page.sections.some((section) => count(section.plain.text, term) || count(section.plain.heading, term)));
  // The same in the other language, where the glossary knows it
  for (const pair of glossary(held, query)) {
    const names = pair[0].split(" / ").map((name) => split(name));
    if (names.length && !names.some((name) => name.join(" ") === phrase)) terms = names[0];
  }
  terms = terms.flatMap((term) => {
    if (!HAN.test(term) || term.length < 3 || everything(term)) return [term];
    return Array.from({ length: term.length - 1 }, (_, place) => term.slice(place, place + 2));
  });
  const found = rank(held, terms, terms.length > 1 && !terms.some((term) => HAN.test(term)) ? terms.join(" ") : "");
  found.sort((a, b) => b.score - a.score);
  return found.map(({ page, score }) => {
    const order = page.values.map((value, place) => [value, place]).filter(([value]) => value > 0).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const sections = order.slice(0, 3).map(([, place]) => {
      const section = page.sections[place];
      return { heading: section.heading, address: page.address + (section.anchor ? "#" + section.anchor : ""), snippet: snippet(section, terms) };
    });
    const first = sections[0];
    return { title: page.title, address: first ? first.address : page.address, page: page.address, heading: first ? first.heading : "", score, sections };
  });
}

// Some words around the first hit, as pairs [text, is it a hit].
function snippet(section, terms) {
  const places = terms.map((term) => section.plain.text.indexOf(term)).filter((place) => place >= 0);
  const from = places.length ? Math.max(0, Math.min(...places) - 60) : 0;
  const text = section.text.slice(from, from + 190), low = section.plain.text.slice(from, from + 190);
  const parts = [[from ? "… " : "", false]];
  let at = 0;
  while (at < text.length) {
    let next = text.length, length = 0;
    for (const term of terms) {
      const place = low.indexOf(term, at);
      if (place >= 0 && place < next) { next = place; length = term.length; }
    }
    parts.push([text.slice(at, next), false]);
    if (length) parts.push([text.slice(next, next + length), true]);
    at = next + Math.max(length, 1);
    if (!length) break;
  }
  parts.push([from + 190 < section.text.length ? " …" : "", false]);
  return parts.filter(([text]) => text);
}

if (typeof module !== "undefined") module.exports = { search, split, plain, glossary };
