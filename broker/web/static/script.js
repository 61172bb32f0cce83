// What pages do beyond their forms and links, all of which work without it: buttons that copy a command.
"use strict";
document.documentElement.classList.add("js");
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.parentElement.querySelector("code").textContent;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl+C";
    getSelection().selectAllChildren(button.parentElement.querySelector("code"));
  }
  setTimeout(() => { button.textContent = before; }, 2000);
});
