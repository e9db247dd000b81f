// Shows alerts while no page is open. A correction has the tag of what it corrects, and takes its
// place; it makes itself noticed again, for who read the first should read this.
"use strict";

self.addEventListener("push", (event) => {
  const alert = event.data.json();
  const shown = self.registration.showNotification(alert.headline, {
    body: alert.text,
    tag: alert.tag,
    renotify: true,
    requireInteraction: alert.level === "flash",
    data: { story: alert.story },
  });
  event.waitUntil(shown);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { story } = event.notification.data;
  const path = /^[a-z0-9-]{1,80}$/.test(story) ? `/stories/${story}` : "/";
  event.waitUntil(self.clients.openWindow(path));
});
