// The contract of `wit/policy.wit` for TypeScript: kebab-case becomes camelCase, and a u64 is a bigint or a number.

declare namespace contract {
  /** What a client has shown of itself. */
  type Credential =
    | { tag: "none" }
    | { tag: "ticket"; val: string }
    | { tag: "public-key"; val: string }
    | { tag: "remembered" };

  interface AuthenticationRequest {
    /** `ticket`, `wampcra`, `scram`, `wamp-scram`, `cryptosign` or `anonymous`. */
    method: string;
    realm: string;
    /** The one that the client claims, or that its login was under. */
    authid: Option<string>;
    credential: Credential;
    /** A JSON object as text. */
    authextra: string;
    connection: Connection;
    cookie: Option<CookieRecord>;
    /** The one that the client has shown, if it has shown one. */
    certificate: Option<Certificate>;
    /** Empty if any name will do. */
    roles: string[];
    now: U64;
  }

  interface Principal {
    /** Left out: the one that the client claims. */
    authid?: string;
    authrole: string;
    /** Left out: any. */
    realm?: string;
    /** A JSON object as text. */
    authextra?: string;
  }

  type Secret =
    | { tag: "wampcra"; val: { key: string; salting?: { salt: string; iterations: number; keylen: number } } }
    | { tag: "scram"; val: { kdf: Derivation; salt: string; storedKey: string; serverKey: string } }
    /** Public keys. */
    | { tag: "cryptosign"; val: string[] };

  type Derivation =
    | { tag: "pbkdf2"; val: number }
    | { tag: "argon2id13"; val: { iterations: number; memory: number } };

  interface Known {
    principal: Principal;
    secret: Secret;
  }

  type Verdict =
    | { tag: "accept"; val: Principal }
    | { tag: "secret"; val: Known }
    /** Whose challenge the one of an unknown principal looks like, if it is any. */
    | { tag: "unknown"; val?: Known }
    | { tag: "deny"; val: { reason: string; message: string } };

  interface Needs {
    /** The request headers that the authenticator looks at, in lower case. */
    headers: string[];
    /** Beyond those that its imports show. */
    grants: string[];
  }

  interface Authenticator {
    /** Throws a list of texts where it does not like the configuration. */
    checkConfig(config: string): void;
    /** Names each request header that `authenticate` looks at: the gateway then does not run the authenticator without it. */
    needs(config: string): Needs;
    /** Throws a text where it cannot answer. */
    authenticate(config: string, request: AuthenticationRequest): Verdict;
  }
}
