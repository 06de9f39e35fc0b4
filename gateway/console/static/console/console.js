// What the console does beyond plain pages: copying, local times on hover, and polling that rests in hidden tabs.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const announce = (text) => {
    document.getElementById("announce").textContent = text;
  };

  // Copying: "copied" is said only when the browser reports that it is done.
  const copied = (button, done) => {
    button.classList.toggle("is-done", done);
    button.classList.toggle("is-failed", !done);
    announce(done ? `Copied the ${button.dataset.what}.` : "Copying failed: select the text and copy it by hand.");
    button.title = done ? "Copied" : "Copying failed: select the text instead";
    setTimeout(() => {
      button.classList.remove("is-done", "is-failed");
      button.title = `Copy ${button.dataset.what}`;
    }, 2500);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        copied(button, true);
      } catch {
        copied(button, false);
      }
      return;
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Times are shown in UTC; the reader's own time appears on hover.
  const localTimes = (part) => {
    for (const time of part.querySelectorAll("time[datetime]:not([title])")) {
      time.title = `${new Date(time.dateTime).toLocaleString()} your time`;
    }
  };
  document.addEventListener("htmx:load", (event) => localTimes(event.target));

  // Live parts: no request while nobody looks, one at once when somebody does again.
  const isLive = (element) => element instanceof Element && element.matches("[data-live]");
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isLive(event.target) && document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    for (const part of document.querySelectorAll("[data-live]")) htmx.trigger(part, "refresh");
  });
  const unanswered = (event) => {
    if (!isLive(event.target)) return;
    for (const line of event.target.querySelectorAll(".live")) {
      line.classList.add("is-off");
      line.querySelector(".live-on").hidden = true;
      line.querySelector(".live-off").hidden = false;
    }
  };
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(name, unanswered);
  }

  // A form that must not be sent twice by a double click.
  document.addEventListener("submit", (event) => {
    const button = event.target.matches("[data-once]") && event.target.querySelector("button:not([type=button])");
    if (button) setTimeout(() => { button.disabled = true; });
  });

  document.addEventListener("DOMContentLoaded", () => {
    localTimes(document);
    // This answer holds a token that is shown once: a reload must ask for the list, not send the form again.
    if (document.querySelector("[data-shown-once]")) history.replaceState(null, "", location.href);
  });
})();
