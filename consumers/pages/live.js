// Keeps a page current: whenever the feed tells of something, the page is read again. What a page
// says is put together in one place, on the server, and nothing that was filed is run here.
const SPREAD = 1000; // ms over which readers come back, so that not all do at once

const main = document.querySelector("main[data-feed]");
const status = document.getElementById("live");
let waiting = false;

async function read() {
  waiting = false;
  const answer = await fetch(location.pathname, { cache: "no-cache" });
  const text = await answer.text();
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const had = new Set([...main.querySelectorAll("li[id]")].map((each) => each.id));
  const news = [...fresh.querySelectorAll("main li[id]")].filter((each) => !had.has(each.id));
  news.forEach((each) => each.classList.add("new"));
  const focused = document.activeElement?.getAttribute("href");
  main.replaceChildren(...fresh.querySelector("main").childNodes);
  if (focused) main.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  document.title = fresh.title;
  const first = news[0]?.querySelector("h2")?.textContent.trim();
  status.textContent = first ? `New: ${first}` : "Updated just now";
}

function later() {
  if (waiting) return;
  waiting = true;
  setTimeout(() => read().catch(again), Math.random() * SPREAD);
}

function again() {
  waiting = true;
  setTimeout(() => read().catch(again), 5000);
}

if (main) {
  const feed = new EventSource(main.dataset.feed); // after a drop it comes back by itself
  feed.onopen = () => (status.textContent = "Live");
  feed.onerror = () => (status.textContent = "Connecting …");
  feed.onmessage = later;
  feed.addEventListener("reset", later);
}
