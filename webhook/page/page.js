// Without this script everything works with links and the form. With it, the page updates while you type, and live.
"use strict";

const LIVE_MS = 3000;
const TYPING_MS = 200;
let typing, latest = 0;

const address = () => {
  const given = [...new FormData(document.querySelector("form"))].filter(([, value]) => value);
  return "?" + new URLSearchParams(given);
};

// Replaces the shown rows by the server's answer for an address; open diffs stay open.
async function show(url) {
  const asked = ++latest;
  const answer = await fetch(url).catch(() => null);
  document.body.classList.toggle("lost", !answer?.ok);
  if (!answer?.ok || asked !== latest) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = new Set([...document.querySelectorAll("details[open]")].map((one) => one.dataset.uid));
  for (const one of fresh.querySelectorAll("details")) one.open = open.has(one.dataset.uid);
  for (const part of ["#results", ".counts"]) document.querySelector(part).replaceWith(fresh.querySelector(part));
  history.replaceState(null, "", url);
}

document.addEventListener("input", (event) => {
  if (event.target.type !== "search") return;
  clearTimeout(typing);
  typing = setTimeout(() => show(address()), TYPING_MS);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("select")) show(address());
});

const live = document.querySelector(".live");
live.hidden = false;
setInterval(() => {
  if (live.querySelector("input").checked && !document.hidden) show(address());
}, LIVE_MS);
