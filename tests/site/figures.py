"""The figures of the book, measured: python tests/site/figures.py

Builds the pages anew, weighs them and opens them in Chromium. Not a test: the limits stand in
test_book_pages.py and test_browser.py.
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]

from test_book_pages import Page, weight  # noqa: E402

from course.site.build import ROOT, build  # noqa: E402
from tests.browser import FLAGS, chromium  # noqa: E402

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
SEARCH = """async query => {
  await new Promise(done => {
    const script = document.createElement('script');
    script.src = 'search-index.js';
    script.onload = done;
    document.head.append(script);
  });
  search(window.SEARCH, query);
  const began = performance.now();
  search(window.SEARCH, query);
  return performance.now() - began;
}"""


def main() -> None:
    program = chromium()
    if program is None:
        sys.exit("no Chromium is installed (on Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        site = Path(folder) / "site"
        began = time.perf_counter()
        build(ROOT, site)
        print(f"make site            {time.perf_counter() - began:6.1f} s")
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        for language in ("en", "zh"):
            pages = {
                path: Page(path.read_text(encoding="utf-8"))
                for path in (site / language).glob("*.html")
            }
            sizes = {
                path.stem: weight(site, f"{language}/{path.name}", page)
                for path, page in pages.items()
            }
            first = site / language / "index.html"
            bare = weight(site, f"{language}/index.html", pages[first], pictures=False)
            largest = max(sizes, key=sizes.get)
            index = (site / language / "search-index.js").stat().st_size
            print(f"{language}: {len(pages)} pages")
            print(f"  first page         {bare / 1e3:6.0f} kB without pictures")
            print(
                f"  largest page       {sizes[largest] / 1e3:6.0f} kB with everything ({largest})"
            )
            print(f"  search index       {index / 1e3:6.0f} kB")
            for path in (first, site / language / f"{largest}.html"):
                page = browser.new_page()
                page.goto(path.as_uri())
                page.wait_for_function(f"{PAINT} > 0")
                print(f"  text visible       {page.evaluate(PAINT):6.0f} ms ({path.stem})")
                page.close()
            page = browser.new_page()
            page.goto((site / language / "search.html").as_uri())
            query = {"en": "self-attention", "zh": "自注意力"}[language]
            print(f"  a search           {page.evaluate(SEARCH, query):6.1f} ms ({query})")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
