// Subscribing this browser to alerts, and ending that.
"use strict";

const on = document.getElementById("on");
const off = document.getElementById("off");
const said = document.getElementById("said");

function bytes(text) {
  const padded = text.replace(/-/g, "+").replace(/_/g, "/");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function show(subscribed) {
  on.hidden = subscribed;
  off.hidden = !subscribed;
}

async function subscribe(worker) {
  const { key } = await (await fetch("/v1/push/key")).json();
  const subscription = await worker.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytes(key),
  });
  const wishes = { least: document.getElementById("least").value };
  const answer = await fetch("/v1/push", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ subscription, wishes }),
  });
  const made = await answer.json();
  if (!answer.ok) {
    await subscription.unsubscribe();
    throw new Error(made.detail);
  }
  localStorage.setItem("target", made.target);
  said.textContent = "This browser is alerted.";
  show(true);
}

async function end(worker) {
  const subscription = await worker.pushManager.getSubscription();
  const target = localStorage.getItem("target");
  if (target) {
    await fetch(`/v1/push/${encodeURIComponent(target.replace("push:", ""))}`, { method: "DELETE" });
    localStorage.removeItem("target");
  }
  if (subscription) await subscription.unsubscribe();
  said.textContent = "This browser is alerted no more.";
  show(false);
}

function told(work) {
  return () => work().catch((error) => { said.textContent = `That did not work: ${error.message}`; });
}

async function begin() {
  if (!("serviceWorker" in navigator) || !("PushManager" in window)) {
    said.textContent = "This browser cannot be alerted.";
    return;
  }
  const worker = await navigator.serviceWorker.register("/push-worker.js");
  on.addEventListener("click", told(() => subscribe(worker)));
  off.addEventListener("click", told(() => end(worker)));
  show(Boolean(await worker.pushManager.getSubscription()));
}

told(begin)();
