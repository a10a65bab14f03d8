// An OAuth 2.0 and OpenID issuer: the certified oidc-provider over TLS, its users and clients from
// a configuration file, and a control port beside it for what a test has to do to it.
// node issuer.js MODULES PORT CONFIGURATION
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const https = require("https");
const path = require("path");
const { pathToFileURL } = require("url");
const [modules, port, configuration] = process.argv.slice(2);
const config = JSON.parse(fs.readFileSync(configuration));

// What tests change by the control port.
const defaults = {
  interval: 1, rotate: true, grace: 0, access: 3600, code: 60, device: 600, refresh: 86400,
};
const settings = { ...defaults };
const faults = [];
const counts = {};

// The clock of the issuer; its tokens and pages read no other.
const now = Date.now;
let offset = 0;
Date.now = () => now() + offset;

const stored = new Map();

class Storage {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload) {
    stored.set(this.key(id), { model: this.model, id, payload });
  }

  async find(id) {
    const payload = stored.get(this.key(id))?.payload;
    if (payload?.consumed && Date.now() / 1000 - payload.consumed < settings.grace) {
      const { consumed, ...unused } = payload;
      return unused;
    }
    return payload;
  }

  search(field, value) {
    const all = [...stored.values()].filter((entry) => entry.model === this.model);
    return all.find((entry) => entry.payload[field] === value)?.payload;
  }

  async findByUid(uid) {
    return this.search("uid", uid);
  }

  async findByUserCode(code) {
    return this.search("userCode", code);
  }

  async consume(id) {
    stored.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    stored.delete(this.key(id));
  }

  async revokeByGrantId(grant) {
    for (const [key, entry] of stored) {
      if (entry.payload.grantId === grant) {
        stored.delete(key);
      }
    }
  }
}

function grantsOf(user) {
  const own = (entry) => entry.model === "Grant" && entry.payload.accountId === user;
  return [...stored.values()].filter(own).map(({ id, payload }) => {
    const issued = [...stored.values()].filter((entry) => entry.payload.grantId === id);
    const tokens = issued.map((entry) => entry.model).sort();
    return { id, client: payload.clientId, scope: payload.openid?.scope ?? "", tokens };
  });
}

async function revokeGrants(user) {
  const grants = grantsOf(user);
  for (const { id } of grants) {
    await new Storage("Grant").revokeByGrantId(id);
    await new Storage("Grant").destroy(id);
  }
  return grants;
}

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

function page(ctx, title, body, status = 200) {
  ctx.status = status;
  ctx.type = "html";
  ctx.body = `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>${title}</title>` +
    `<h1>${title}</h1>${body}</html>`;
}

const signInForm = '<form method="post"><label>Name <input name="login" autofocus></label>' +
  '<label>Password <input name="password" type="password"></label>' +
  "<button>Sign in</button></form>";
const consentForm = '<form method="post"><button name="decision" value="allow">Allow</button>' +
  '<button name="decision" value="deny">Deny</button></form>';

function deviceForm(ctx, form, problem) {
  const words = problem ? `<p>${escaped(problem)}</p>` : "";
  const body = `${words}${form}<button form="op.deviceInputForm">Next</button>`;
  page(ctx, "Connect a device", body, problem ? 400 : 200);
}

function confirmDevice(ctx, form, client, device, code) {
  const buttons = '<button form="op.deviceConfirmForm">Continue</button>' +
    '<button form="op.deviceConfirmForm" name="abort" value="yes">Cancel</button>';
  page(ctx, "Confirm the code", `<p>${escaped(code)}</p>${form}${buttons}`);
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

// The pages on which a user signs in and gives consent.
async function interact(provider, ctx) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  const login = prompt.name === "login";
  if (ctx.method !== "POST") {
    const words = `<p>${escaped(params.client_id)} asks for: ${escaped(params.scope ?? "")}</p>`;
    return login ? page(ctx, "Sign in", signInForm) : page(ctx, "Consent", words + consentForm);
  }
  const fields = new URLSearchParams(await bodyOf(ctx.req));
  let result;
  if (login) {
    if (fields.get("password") !== config.password || !fields.get("login")) {
      return page(ctx, "Sign in", `<p>Wrong name or password.</p>${signInForm}`, 401);
    }
    result = { login: { accountId: fields.get("login") } };
  } else if (fields.get("decision") === "allow") {
    const grant = grantId ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" "));
    result = { consent: { grantId: await grant.save() } };
  } else {
    result = { error: "access_denied", error_description: "the user has denied access" };
  }
  const merged = { mergeWithLastSubmission: true };
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, merged));
  ctx.status = 303;
}

const endpoints = {
  "/auth": "authorization",
  "/device": "verification",
  "/device/auth": "device_authorization",
  "/jwks": "jwks",
  "/token": "token",
  "/token/introspection": "introspection",
  "/token/revocation": "revocation",
  "/.well-known/openid-configuration": "discovery",
};

function takeFault(endpoint) {
  const at = faults.findIndex((fault) => fault.endpoint === endpoint);
  if (at < 0) {
    return {};
  }
  const fault = faults[at];
  fault.times -= 1;
  if (fault.times <= 0) {
    faults.splice(at, 1);
  }
  return fault;
}

async function sleep(seconds) {
  if (seconds) {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

async function serve(provider, ctx, next) {
  const endpoint = endpoints[ctx.path] ?? "page";
  counts[endpoint] = (counts[endpoint] ?? 0) + 1;
  const fault = takeFault(endpoint);
  await sleep(fault.delay);
  if (fault.status) {
    ctx.status = fault.status;
    ctx.set(fault.headers ?? {});
    ctx.body = fault.body ?? "";
    return;
  }
  await (ctx.path.startsWith("/interaction/") ? interact(provider, ctx) : next());
  if (endpoint === "device_authorization" && ctx.status === 200 && settings.interval) {
    ctx.body.interval = settings.interval;
  }
  if (endpoint === "introspection" && ctx.body?.active) {
    // A client that acts for itself is a user of that name.
    ctx.body.username = ctx.body.sub ?? ctx.body.client_id;
  }
  await sleep(fault.late);
  if (fault.lost) {
    ctx.respond = false;
    ctx.req.socket.destroy();
  }
}

function clear() {
  Object.keys(counts).forEach((name) => delete counts[name]);
  faults.splice(0);
  Object.assign(settings, defaults);
  offset = 0;
}

const commands = {
  "POST /clear": clear,
  "GET /counts": () => counts,
  "GET /grants": (query) => grantsOf(query.get("user")),
  "DELETE /grants": (query) => revokeGrants(query.get("user")),
  "POST /faults": (query, body) => faults.push(...body),
  "DELETE /faults": () => faults.splice(0),
  "POST /settings": (query, body) => Object.assign(settings, body),
  "POST /clock": (query, body) => (offset += body.seconds * 1000),
};

async function control(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const command = commands[`${request.method} ${pathname}`];
  const text = await bodyOf(request);
  const answer = command && await command(searchParams, text ? JSON.parse(text) : {});
  response.writeHead(command ? 200 : 404, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer ?? null));
}

async function main() {
  const entry = path.join(modules, "oidc-provider", "lib", "index.js");
  const { default: Provider } = await import(pathToFileURL(entry));
  const { privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const provider = new Provider(config.issuer, {
    adapter: Storage,
    clients: config.clients,
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    cookies: { keys: [crypto.randomBytes(16).toString("hex")] },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
    features: {
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (ctx, form, out, error) => deviceForm(ctx, form, error?.message),
        userCodeConfirmSource: confirmDevice,
        successSource: (ctx) => page(ctx, "The device is connected", ""),
      },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === "dovecot" },
      revocation: { enabled: true },
    },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org` }),
    }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed("refresh_token"),
    jwks: { keys: [privateKey.export({ format: "jwk" })] },
    pkce: { methods: ["S256"], required: () => true },
    renderError: (ctx, out) => page(ctx, "Error", `<p>${escaped(JSON.stringify(out))}</p>`, 400),
    rotateRefreshToken: () => settings.rotate,
    scopes: ["openid", "offline_access", "mail"],
    ttl: {
      AccessToken: () => settings.access,
      AuthorizationCode: () => settings.code,
      ClientCredentials: () => settings.access,
      DeviceCode: () => settings.device,
      Grant: () => 10 * settings.refresh,
      IdToken: () => settings.access,
      Interaction: () => 600,
      RefreshToken: () => settings.refresh,
      Session: () => 3600,
    },
  });
  provider.on("server_error", (ctx, error) => console.error(error));
  // A client that was killed takes no answer.
  provider.app.on("error", (error) => error.code === "ECONNRESET" || console.error(error));
  provider.use((ctx, next) => serve(provider, ctx, next));
  http.createServer(control).listen(config.control_port, "127.0.0.1");
  https.createServer(
    { cert: fs.readFileSync(config.chain), key: fs.readFileSync(config.key) },
    provider.callback(),
  ).listen(Number(port), "127.0.0.1");
}

main();
