// An application behind wampgate that believes the signed assertion, and no other header.
//
//     npm install jose
//     KEYS=http://127.0.0.1:8080/jwks node server.mjs
//
// jose keeps the keys, and fetches them again when a token names one that it does not know, at most twice a minute.

import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const keys = createRemoteJWKSet(new URL(process.env.KEYS ?? "http://127.0.0.1:8080/jwks"));

/** The claims about the client; null: it has not logged in. */
async function who(headers) {
  const token = headers["wampgate-assertion"];
  if (!token) return null;
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["EdDSA", "ES256"],
    issuer: "wampgate",
    audience: "app",
    clockTolerance: 5,
    requiredClaims: ["exp", "sub", "role"],
  });
  return payload;
}

const server = createServer(async (request, response) => {
  const client = await who(request.headers).catch((error) => {
    console.error(`a request whose assertion does not count: ${error.message}`);
    return null;
  });
  response.writeHead(client ? 200 : 401, { "Content-Type": "application/json" });
  response.end(JSON.stringify(client ?? { error: "log in first" }));
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
