// The contract of `wit/policy.wit` for TypeScript: kebab-case becomes camelCase, and a u64 is a bigint or a number.

declare namespace contract {
  interface Session {
    id: string;
    realm: string;
    /** As other sessions see it. */
    authid: string;
    authrole: string;
    authmethod: string;
    authprovider: string;
    /** Of its client's cookie, if cookie tracking is on. */
    publicId: Option<string>;
    connection: string;
    peer: string;
  }

  interface AuthorizationRequest {
    session: Session;
    action: "call" | "register" | "publish" | "subscribe";
    uri: string;
    /** How the URI is compared, where it is a pattern. */
    matching: "exact" | "prefix" | "wildcard";
    /** A JSON object as text. */
    options: string;
    now: U64;
  }

  interface Ruling {
    allow: boolean;
    /** Whether the other side learns which session acted. */
    disclose: boolean;
    /** How long the answer holds, whatever the options, and for whom; left out: the gateway asks again. */
    keep?: { seconds: number; scope: "session" | "role" };
  }

  interface Needs {
    /** Empty: an authorizer is shown no request headers. */
    headers: string[];
    /** Beyond those that its imports show. */
    grants: string[];
  }

  interface Authorizer {
    /** Throws a list of texts where it does not like the configuration. */
    checkConfig(config: string): void;
    needs(config: string): Needs;
    /** Throws a text where it cannot answer: then the session may not do it. */
    authorize(config: string, request: AuthorizationRequest): Ruling;
  }
}
