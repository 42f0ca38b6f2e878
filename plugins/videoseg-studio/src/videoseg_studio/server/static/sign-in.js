// The token may be in the part of the address after "#", which browsers never send to a server.
const form = document.querySelector("form");
const field = document.querySelector("#token");
const problem = document.querySelector(".problem");

async function signIn(token) {
  problem.textContent = "";
  try {
    const answer = await fetch("/sign-in", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    problem.textContent = (await answer.json()).error.message;
  } catch {
    problem.textContent = "The server does not answer.";
  }
  field.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  signIn(field.value.trim());
});

function signInByAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    history.replaceState(null, "", location.pathname);
    signIn(given);
  }
}

window.addEventListener("hashchange", signInByAddress);
signInByAddress();
