// Shows what is under way as it goes on. Without events the page is loaded again every few seconds, as it is without scripts.
"use strict";
const place = document.querySelector("[data-progress]");
if (place) {
  const events = new EventSource(place.dataset.progress);
  events.addEventListener("steps", (event) => { place.innerHTML = event.data; });
  events.addEventListener("over", () => { events.close(); location.reload(); });
  events.onerror = () => { events.close(); setTimeout(() => location.reload(), 3000); };
  addEventListener("pagehide", () => events.close());
}
