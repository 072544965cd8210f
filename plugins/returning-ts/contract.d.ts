// The contract of `wit/policy.wit` for TypeScript: kebab-case becomes camelCase, and a u64 is a bigint or a number.

declare namespace contract {
  interface Hello {
    realm: Option<string>;
    authmethods: string[];
    authid: Option<string>;
    authrole: Option<string>;
    authextra: string;
  }

  interface JoinRequest {
    connection: Connection;
    cookie: Option<CookieRecord>;
    hello: Option<Hello>;
    methods: string[];
    /** Empty if any name will do. */
    roles: string[];
    now: U64;
    /** The one that the client has shown, if it has shown one. */
    certificate: Option<Certificate>;
  }

  type Decision =
    | { tag: "anonymous"; val: { authid?: string; authrole?: string; authextra?: string } }
    | { tag: "none" }
    | { tag: "defer"; val: string }
    | { tag: "deny"; val: { reason: string; message: string } }
    | { tag: "defer-as"; val: { method: string; authrole: string } };

  interface Needs {
    /** The request headers that the policy looks at, in lower case. */
    headers: string[];
    /** Beyond those that its imports show. */
    grants: string[];
  }

  interface Policy {
    /** Throws a list of texts where it does not like the configuration. */
    checkConfig(config: string): void;
    /** Names each request header that `decide` looks at: the gateway then does not run the policy without it. */
    needs(config: string): Needs;
    /** Throws a text where it cannot decide. */
    decide(config: string, request: JoinRequest): Decision;
  }
}
