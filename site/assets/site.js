// What the pages do beyond reading: colours, menu, copying, formulas, sorting, searching. Without it everything can still be read.
"use strict";
(function () {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const one = (selector) => document.querySelector(selector);
  const make = (tag, kind, text) => {
    const element = document.createElement(tag);
    if (kind) element.className = kind;
    if (text) element.textContent = text;
    return element;
  };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch (e) { /* private mode */ } };

  // Formulas
  if (window.katex)
    for (const element of all(".math"))
      katex.render(element.textContent, element, { displayMode: element.classList.contains("display"), throwOnError: false, strict: false });

  // Light or dark, and the language of the next visit
  one(".theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    keep("theme", root.dataset.theme);
  });
  const change = one(".switch");
  change.addEventListener("click", () => {
    keep("language", change.getAttribute("href").split("/")[1]);
    const query = location.search;
    if (current || location.hash || query) change.href = change.getAttribute("href").split(/[?#]/)[0] + query + (current ? "#" + current : location.hash);
  });

  // The list of lessons on a narrow screen
  const menu = one(".menu"), lessons = one("#lessons");
  if (lessons) {
    menu.addEventListener("click", () => {
      const open = lessons.classList.toggle("open");
      menu.setAttribute("aria-expanded", String(open));
      if (open) lessons.querySelector("a").focus();
    });
    const here = lessons.querySelector("[aria-current]");
    if (here) lessons.scrollTop = here.offsetTop - lessons.clientHeight / 3;
  } else menu.hidden = true;

  // Copying code, and addresses of headings
  for (const block of all(".code")) {
    const button = make("button", "copy", WORDS.copy);
    button.type = "button";
    button.addEventListener("click", async () => {
      const text = block.querySelector("code").textContent + "\n";
      try { await navigator.clipboard.writeText(text); } catch (e) {
        const area = make("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.textContent = WORDS.copied;
      setTimeout(() => { button.textContent = WORDS.copy; }, 1500);
    });
    block.append(button);
  }
  for (const heading of all("main h2[id], main h3[id]")) {
    const link = make("a", "anchor", "#");
    link.href = "#" + heading.id;
    link.setAttribute("aria-label", heading.textContent);
    heading.append(link);
  }

  // What scrolls sideways can be reached with the keyboard
  const reachable = () => {
    for (const element of all("pre, .wide, .math.display"))
      if (element.scrollWidth > element.clientWidth + 1) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
  };
  reachable();
  addEventListener("resize", reachable);
  document.addEventListener("toggle", reachable, true);

  // Where the reader is
  let current = "";
  const entries = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const headings = all("main h2[id], main h3[id]");
  const follow = () => {
    current = "";
    for (const heading of headings) if (heading.getBoundingClientRect().top < 120) current = heading.id;
    let shown = "";
    for (const heading of headings) if (entries.has(heading.id) && heading.getBoundingClientRect().top < 120) shown = heading.id;
    for (const [id, link] of entries) link.classList.toggle("here", id === shown);
  };
  addEventListener("scroll", follow, { passive: true });
  follow();

  // On paper: outputs that were folded for a prediction are shown, solutions stay as they are
  addEventListener("beforeprint", () => all("details.outputs").forEach((element) => { element.open = true; }));

  // A link into something folded opens it
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let element = target; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // Tables
  const value = (cell) => {
    const text = (cell.dataset.value || cell.textContent).trim();
    const number = Number(text.replace(/[,%]/g, "").replace("−", "-"));
    return text !== "" && !isNaN(number) ? number : text;
  };
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    all("thead th", table).forEach((head, column) => {
      const button = make("button", "", head.textContent);
      button.type = "button";
      head.textContent = "";
      head.append(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        const order = new Intl.Collator(document.documentElement.lang);
        const rows = Array.from(body.rows).map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => sign * (typeof a === "number" && typeof b === "number" ? a - b : order.compare(String(a), String(b))));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  for (const input of all(".filter"))
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of document.getElementById(input.dataset.for).tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });

  // Search: the index is a script, since a page opened from the disk may not fetch files
  let loading;
  const index = () => (loading = loading || new Promise((done) => {
    const script = make("script");
    script.src = "search-index.js";
    script.onload = () => done(window.SEARCH);
    document.head.append(script);
  }));
  const marked = (parts, element) => {
    for (const [text, hit] of parts) element.append(hit ? make("mark", "", text) : text);
    return element;
  };
  const field = one(".find input"), hits = one(".hits");
  const close = () => { hits.hidden = true; };
  field.addEventListener("focus", index);
  field.addEventListener("input", async () => {
    const held = await index(), query = field.value;
    const found = search(held, query);
    hits.textContent = "";
    if (!query.trim()) return close();
    for (const result of found.slice(0, 7)) {
      const link = make("a");
      link.href = result.address;
      link.append(result.title, make("small", "", result.heading));
      hits.append(link);
    }
    if (!found.length) hits.append(make("p", "", WORDS.none));
    hits.hidden = false;
  });
  one(".find").addEventListener("keydown", (event) => {
    const links = all("a", hits), place = links.indexOf(document.activeElement);
    if (event.key === "Escape") { close(); field.focus(); }
    if (event.key === "ArrowDown" && links.length) { event.preventDefault(); links[Math.min(place + 1, links.length - 1)].focus(); }
    if (event.key === "ArrowUp" && place >= 0) { event.preventDefault(); (place ? links[place - 1] : field).focus(); }
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".find")) close(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) { event.preventDefault(); field.focus(); }
  });

  const list = one(".results");
  if (list) {
    const input = one(".large input"), count = one(".count");
    const show = async () => {
      const held = await index(), query = input.value;
      const found = search(held, query);
      list.textContent = "";
      for (const term of glossary(held, query)) {
        const item = make("li"), link = make("a", "title", WORDS.glossary + ": " + term.join(" = "));
        link.href = "glossary.html";
        item.className = "term";
        item.append(link);
        list.append(item);
      }
      for (const result of found) {
        const item = make("li", "hit"), link = make("a", "title", result.title);
        link.href = result.address;
        item.append(link);
        for (const section of result.sections) {
          const line = make("p"), inner = make("a", "", section.heading);
          inner.href = section.address;
          if (section.heading) line.append(inner);
          item.append(line, marked(section.snippet, make("p", "snippet")));
        }
        list.append(item);
      }
      count.textContent = query.trim() ? (found.length ? found.length + " " + WORDS.hits : WORDS.none) : "";
    };
    input.value = new URLSearchParams(location.search).get("q") || "";
    input.addEventListener("input", show);
    one(".large").addEventListener("submit", (event) => {
      event.preventDefault();
      history.replaceState(null, "", "?q=" + encodeURIComponent(input.value));
      show();
    });
    show();
    if (!input.value) input.focus();
  }
})();
