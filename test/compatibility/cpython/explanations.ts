/**
 * Why a test of CPython that passes outside does not in a box: the one place where a difference
 * is accounted for. A row explains what its tests match and what bears its reason's marks; all
 * else of the module stays unexplained, so that a new difference is not hidden by an old one.
 */

interface Reason {
  /** For the report: the promise or the limit. */
  readonly sentence: string;
  /** What a failure, or the reason of a skipped test, says when this is its cause. */
  readonly marks: RegExp;
}

export const REASONS = {
  sockets: {
    sentence:
      "No network: `socket`, `bind`, `connect`, `listen` and `accept` are refused with EPERM, for every family of addresses.",
    marks:
      /(socket|_socket)\.(socket|__init__|py)[\s\S]*PermissionError: \[Errno 1\]|IPv6|dualstack_ipv6|unix bind\(\)/,
  },
  manager: {
    sentence:
      "No network: `multiprocessing.Manager`, the start method `forkserver` and `multiprocessing.connection.Listener` talk over Unix sockets that are bound to a name; `Pool`, `Queue`, `Pipe`, `Value` and shared memory do not, and work.",
    marks:
      /(managers|forkserver|connection|_test_multiprocessing|test_concurrent_futures)\.py[\s\S]*(EOFError|PermissionError: \[Errno 1\])/,
  },
  accounts: {
    sentence:
      "`/etc/passwd` and `/etc/group` are closed, there is no `/etc/shadow`, and no user or group has a name: `pwd` and `grp` find nobody.",
    marks:
      /getpwuid|getpwnam|getgrgid|getgrnam|pwd entry|system database|home directory|group name/,
  },
  readOnly: {
    sentence:
      "The system is read-only: removing a name that there is not is EROFS there, ENOENT where it could be written.",
    marks: /\[Errno 30\] Read-only file system/,
  },
  smallEtc: {
    sentence:
      "`/etc` has only what programs look for; Debian's `sitecustomize.py` is a link into the rest of it.",
    marks: /No such file or directory: '\/env\/lib\/python3\.11\/sitecustomize\.py'/,
  },
  processes: {
    sentence: "At most 100 processes and threads.",
    marks: /Resource temporarily unavailable|can't start new thread/,
  },
  descriptors: {
    sentence: "At most 256 open files.",
    marks: /largest assignable fd number is too small|Too many open files/,
  },
  space: {
    sentence: "`/tmp` is 64 MB of memory, and `/work` 256 MB.",
    marks: /MiB of free disk space|\[Errno 28\] No space left on device/,
  },
  devices: {
    sentence: "There is no network device.",
    marks: /requires (ip|ifconfig)$/,
  },
} as const satisfies Readonly<Record<string, Reason>>;

export type ReasonName = keyof typeof REASONS;

export interface Explanation {
  readonly reason: ReasonName;
  /** Patterns with `*` of names as `Class.test_name`; all of the module when left out. */
  readonly tests?: readonly string[];
  /** In place of the reason's own marks, where a test hides its cause. */
  readonly marks?: RegExp;
  /**
   * These would hang, or take the others of their module along: they are left out of its run and
   * run apart, to see that it still is so.
   */
  readonly apart?: boolean;
}

/** A server that asyncio could not bind is one without sockets, which the tests take for granted. */
const NO_SERVER =
  /IndexError: tuple index out of range|AssertionError: (0 != 1|\(\) is not true|Can not create socket)/;

/** Set-up that failed before left nothing to talk to. */
const NOTHING_SET_UP = /has no attribute '(server|port)'/;

const SOCKETS: Explanation = { reason: "sockets" };
const ACCOUNTS: Explanation = { reason: "accounts" };
const READ_ONLY: Explanation = { reason: "readOnly" };

const MULTIPROCESSING: readonly Explanation[] = [
  { reason: "manager" },
  SOCKETS,
  { reason: "descriptors", tests: ["WithProcessesTestConnection.test_large_fd_transfer"] },
];

/** By module. */
export const EXPLANATIONS: Readonly<Record<string, readonly Explanation[]>> = {
  test___all__: [{ reason: "smallEtc", tests: ["AllTest.test_all"] }],
  test_ast: [{ reason: "smallEtc", tests: ["ASTValidatorTests.test_stdlib_validates"] }],
  test_asynchat: [SOCKETS],
  test_asyncore: [SOCKETS],
  test_audit: [{ reason: "sockets", tests: ["AuditTest.test_socket"], marks: /AssertionError/ }],
  test_bdb: [READ_ONLY],
  test_concurrent_futures: [{ reason: "manager" }],
  test_distutils: [ACCOUNTS],
  test_doctest: [READ_ONLY],
  test_docxmlrpc: [SOCKETS],
  test_eintr: [
    { reason: "sockets", tests: ["EINTRTests.test_all"], marks: /_test_eintr\.py failed/ },
  ],
  test_epoll: [SOCKETS],
  test_ftplib: [SOCKETS],
  test_grp: [
    ACCOUNTS,
    { reason: "accounts", tests: ["*.test_errors"], marks: /list index out of range/ },
    { reason: "accounts", tests: ["*.test_noninteger_gid"], marks: /no groups/ },
  ],
  test_httplib: [SOCKETS],
  test_httpservers: [
    // Their set-up waits for the thread of a server that died.
    {
      reason: "sockets",
      apart: true,
      marks: /test_httpservers\.py", line \d+ in setUp/,
      tests: [
        "BaseHTTPServerTestCase.*",
        "RequestHandlerLoggingTestCase.*",
        "SimpleHTTPServerTestCase.*",
        "CGIHTTPServerTestCase.*",
      ],
    },
    SOCKETS,
  ],
  test_imaplib: [SOCKETS, { reason: "sockets", marks: NOTHING_SET_UP }],
  test_import: [READ_ONLY],
  test_importlib: [READ_ONLY],
  test_largefile: [{ reason: "space" }],
  test_logging: [
    SOCKETS,
    {
      reason: "sockets",
      tests: ["*SocketHandlerTest.*", "*DatagramHandlerTest.*", "*SysLogHandlerTest.*"],
      marks: /^\[Errno 1\] Operation not permitted$|'NoneType' object has no attribute 'close'/,
    },
    // They wait for the thread of a listener that died.
    {
      reason: "sockets",
      apart: true,
      marks: /in setup_via_listener/,
      tests: [
        "ConfigDictTest.test_listen_config_10_ok",
        "ConfigDictTest.test_listen_config_1_ok",
        "ConfigDictTest.test_listen_verify",
      ],
    },
  ],
  test_multiprocessing_fork: [
    ...MULTIPROCESSING,
    // The first starts a hundred, and all leave some behind that are in the way of what follows.
    { reason: "processes", apart: true, tests: ["WithProcessesTestProcess.test_many_processes"] },
    { reason: "manager", apart: true, tests: ["WithProcessesTestPicklingConnections.*"] },
  ],
  test_multiprocessing_forkserver: MULTIPROCESSING,
  test_multiprocessing_main_handling: [{ reason: "manager" }],
  test_multiprocessing_spawn: MULTIPROCESSING,
  test_nntplib: [SOCKETS],
  test_os: [
    { reason: "accounts", tests: ["ChownFileTests.*"], marks: /more than one user/ },
    { reason: "sockets", tests: ["TestSendfile.*"], marks: NO_SERVER },
  ],
  test_pathlib: [ACCOUNTS, SOCKETS],
  test_pickle: [READ_ONLY],
  test_poplib: [SOCKETS],
  test_posix: [ACCOUNTS],
  test_posixpath: [ACCOUNTS],
  test_pydoc: [
    {
      reason: "sockets",
      tests: ["PydocServerTest.test_server"],
      marks: /PermissionError\(1, 'Operation not permitted'\)/,
    },
  ],
  test_queue: [{ reason: "processes" }],
  test_robotparser: [SOCKETS],
  test_runpy: [READ_ONLY],
  test_shutil: [ACCOUNTS],
  test_signal: [SOCKETS],
  test_smtpd: [SOCKETS],
  test_smtplib: [SOCKETS],
  test_socket: [SOCKETS, { reason: "sockets", marks: NOTHING_SET_UP }],
  test_spwd: [
    { reason: "accounts", marks: /spwd\.getspnam\(name\)\nFileNotFoundError: \[Errno 2\]/ },
  ],
  test_ssl: [SOCKETS],
  test_stat: [SOCKETS],
  test_subprocess: [
    ACCOUNTS,
    { reason: "accounts", tests: ["POSIXProcessTestCase.test_user"], marks: /Invalid argument/ },
  ],
  test_support: [READ_ONLY, SOCKETS],
  test_tarfile: [{ reason: "accounts", marks: /uid=0,gid=0 must be named "root"/ }],
  test_telnetlib: [SOCKETS],
  test_trace: [READ_ONLY],
  test_urllib2_localnet: [SOCKETS],
  test_urllib_response: [SOCKETS],
  test_uuid: [{ reason: "devices" }],
  // It copies the library with all its tests into a new place in /tmp.
  test_venv: [{ reason: "space", tests: ["*.test_zippath_from_non_installed_posix"] }],
  test_wsgiref: [SOCKETS],
  test_xmlrpc: [
    SOCKETS,
    // Their set-up waits for the thread of a server that died.
    {
      reason: "sockets",
      apart: true,
      marks: /test_xmlrpc\.py", line \d+ in setUp/,
      tests: ["*ServerTestCase*.*", "SimpleServerEncodingTestCase.*"],
    },
  ],
  "test.test_asyncio.test_base_events": [SOCKETS],
  "test.test_asyncio.test_buffered_proto": [{ reason: "sockets", marks: NO_SERVER }],
  "test.test_asyncio.test_events": [SOCKETS, { reason: "sockets", marks: NO_SERVER }],
  "test.test_asyncio.test_sendfile": [SOCKETS],
  "test.test_asyncio.test_server": [SOCKETS, { reason: "sockets", marks: NO_SERVER }],
  "test.test_asyncio.test_sock_lowlevel": [
    SOCKETS,
    { reason: "sockets", tests: ["*.test_sock_client_fail"], marks: /local variable 's'/ },
  ],
  "test.test_asyncio.test_ssl": [SOCKETS, { reason: "sockets", marks: NO_SERVER }],
  "test.test_asyncio.test_sslproto": [SOCKETS, { reason: "sockets", marks: NO_SERVER }],
  "test.test_asyncio.test_streams": [
    SOCKETS,
    // It waits for the thread of a server that died.
    {
      reason: "sockets",
      apart: true,
      tests: ["StreamTests.test_drain_raises"],
      marks: /in test_drain_raises/,
    },
  ],
  "test.test_asyncio.test_unix_events": [
    SOCKETS,
    {
      reason: "sockets",
      tests: ["*.test_create_unix_server_existing_path_nonsock"],
      marks: /does not match "\[Errno 1\] Operation not permitted"/,
    },
  ],
};
