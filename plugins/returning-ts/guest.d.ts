// What components of every kind have in TypeScript: the log, and what the gateway knows of a client. kebab-case becomes camelCase, and a
// u64 is a bigint or a number.

declare module "wampgate:authid/log@0.3.0" {
  export function log(level: "debug" | "info" | "warn" | "error", message: string): void;
}

declare namespace contract {
  /** What is left out is null in one engine and undefined in another: test with `== null`. */
  type Option<T> = T | null | undefined;
  type U64 = bigint | number;

  interface Authentication {
    authid: string;
    authrole: string;
    authmethod: string;
    authrealm: string;
    /** A JSON object as text. */
    authextra: string;
    at: U64;
  }

  interface CookieRecord {
    id: string;
    publicId: string;
    isNew: boolean;
    created: U64;
    lastSeen: U64;
    maxAge: number;
    connections: number;
    authentication: Option<Authentication>;
  }

  interface Connection {
    id: string;
    peer: string;
    tls: boolean;
    host: string;
    path: string;
    origin: Option<string>;
    subprotocol: string;
    headers: [name: string, value: string][];
  }

  interface Certificate {
    subject: string;
    names: string[];
    sha256: string;
  }
}
