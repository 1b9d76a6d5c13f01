// Lets a phone's browser show notices, which it does for a worker only, and opens the job when one is tapped.
// It keeps no files and answers no requests.
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.path ?? '/', self.location.origin);
  if (url.origin !== self.location.origin) return;
  event.waitUntil(
    self.clients.matchAll({ type: 'window', includeUncontrolled: true }).then(async (open) => {
      const page = open[0];
      if (!page) return self.clients.openWindow(url.href);
      await page.focus();
      page.postMessage({ open: url.pathname });
      return undefined;
    }),
  );
});
