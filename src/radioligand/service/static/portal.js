// Small comforts: everything works without this file.
(function () {
  "use strict";

  // A form with data-live is judged again while it is filled in; the answer replaces its target.
  document.querySelectorAll("form[data-live]").forEach(function (form) {
    var waiting, asked = 0;
    form.addEventListener("input", function () {
      clearTimeout(waiting);
      waiting = setTimeout(function () {
        var mine = ++asked;
        fetch(form.dataset.live, { method: "POST", body: new FormData(form), credentials: "same-origin" })
          .then(function (answer) { return answer.ok ? answer.text() : null; })
          .then(function (text) {
            if (text !== null && mine === asked) { document.getElementById(form.dataset.target).innerHTML = text; }
          })
          .catch(function () { /* the button still works */ });
      }, 250);
    });
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
  var minutes = Number(document.body.dataset.idleMinutes);
  if (minutes) {
    setTimeout(function () {
      var told = document.createElement("div");
      told.id = "idle";
      told.setAttribute("role", "alert");
      told.textContent = "You will be signed out in two minutes.";
      var stay = document.createElement("button");
      stay.textContent = "Stay";
      stay.addEventListener("click", function () {
        fetch("/account", { credentials: "same-origin" }).then(function () { told.remove(); });
      });
      told.append(stay);
      document.body.append(told);
    }, (minutes - 2) * 60000);
    setTimeout(function () { location.assign("/sign-in"); }, (minutes + 0.2) * 60000);
  }
})();
