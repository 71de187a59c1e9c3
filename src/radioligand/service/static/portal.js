// Small comforts: everything works without this file.
(function () {
  "use strict";

  // Whatever htmx asks for (a form judged while it is filled in) keeps the session awake.
  document.addEventListener("htmx:afterRequest", function (event) {
    if (event.detail.successful) { watch(); }
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", function (event) {
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if (event.target.method === "post") { event.target.dataset.sent = "yes"; }
  });
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  var fault = document.getElementById("fault");
  if (fault) { fault.setAttribute("tabindex", "-1"); fault.focus(); }

  // Two minutes before the session ends by idleness, say so; when it has ended, show nothing more.
  var minutes = Number(document.body.dataset.idleMinutes), warning, end;
  function watch() {
    if (!minutes) { return; }
    clearTimeout(warning);
    clearTimeout(end);
    var told = document.getElementById("idle");
    if (told) { told.remove(); }
    warning = setTimeout(warn, (minutes - 2) * 60000);
    end = setTimeout(function () { location.assign("/sign-in"); }, (minutes + 0.2) * 60000);
  }
  function warn() {
    var told = document.createElement("div"), stay = document.createElement("button");
    told.id = "idle";
    told.setAttribute("role", "alert");
    told.textContent = "You will be signed out in two minutes.";
    stay.textContent = "Stay";
    stay.addEventListener("click", function () {
      fetch("/account", { credentials: "same-origin" }).then(watch);
    });
    told.append(stay);
    document.body.append(told);
  }
  watch();
})();
