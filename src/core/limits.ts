/**
 * Every number that bounds what a caller can use, in one place.
 * A limit that a manifest may set has `least`, `usual` and `most`; the rest are plain ceilings.
 */

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** What a job may ask for in its manifest. */
export const JOB_LIMITS = {
  /** MiB of RAM; tmpfs files and page cache count, swap is 0. */
  memoryMb: { least: 64, usual: 512, most: 2048 },
  /** Seconds of wall-clock time. */
  timeoutSeconds: { least: 1, usual: 300, most: 3600 },
  /** Seconds of CPU time; no limit of its own when left out. */
  cpuSeconds: { least: 1, most: 600 },
} as const;

/** What every box has, whatever its manifest says. */
export const BOX_LIMITS = {
  processes: 100,
  openFiles: 256,
  workBytes: 256 * MIB,
  workInodes: 20_000,
  tmpBytes: 64 * MIB,
  tmpInodes: 10_000,
  shmBytes: 64 * MIB,
  /** Memory of the box's own processes (PID 1 and collector), beside the job's. */
  ownMemoryBytes: 16 * MIB,
} as const;

/** What one job may bring in and take out. */
export const TRANSFER_LIMITS = {
  inputBytes: 100 * MIB,
  inputFiles: 1000,
  /** Directories named or implied by an archive. */
  inputDirectories: 2000,
  unpackedBytes: 100 * MIB,
  /** A tar as a whole, inflated: files, headers and padding. */
  tarBytes: 108 * MIB,
  /** One extended header of a tar, or the header of a gzip file. */
  archiveHeaderBytes: 64 * KIB,
  /** Header lines of one part of a multipart body. */
  partHeaderBytes: 16 * KIB,
  /** JSON and plain text bodies. */
  jsonBodyBytes: 8 * MIB,
  /** A body of undeclared length gets memory in such steps. */
  uploadStepBytes: 1 * MIB,
  /** A JSON or text body declared up to this size is no "upload": it is read in a moment. */
  smallBodyBytes: 64 * KIB,
  /** stdout and stderr together; what comes after is dropped and said to be cut. */
  printedBytes: 10 * MIB,
  outputBytes: 100 * MIB,
  outputFiles: 1000,
  /**
   * Work of choosing outputs by patterns, about 10 ns each: thousands of paths against the costliest
   * patterns would hold up everybody else's requests. Steps and no time, so that how a job ends
   * does not depend on how busy or how slow the machine is.
   */
  choosingSteps: 50_000_000,
  /** Outputs up to this size go to the shelf and their box dies at once; also the inline ceiling. */
  shelfBytes: 1 * MIB,
  pathBytes: 512,
  pathSegmentBytes: 255,
  pathDepth: 32,
} as const;

/** Ceilings of the manifest's own fields. */
export const MANIFEST_LIMITS = {
  globs: 32,
  globBytes: 256,
  args: 256,
  argsBytes: 64 * KIB,
  envVariables: 128,
  envBytes: 32 * KIB,
  nonceCharacters: 128,
  stdinBytes: 8 * MIB,
  manifestBytes: 256 * KIB,
} as const;

/** What one caller may hold; options of `serve` can raise or lower the first three. */
export const CALLER_LIMITS = {
  quotaCpuSecondsPerMinute: 10,
  running: 2,
  waiting: 20,
  uploadsBegun: 2,
  waitingBytes: 200 * MIB,
  keptBoxes: 5,
  keptBytes: 200 * MIB,
} as const;

/** How callers share, beside what one of them may hold. */
export const SHARING = {
  /** As how many callers an IPv6 /48 counts: it may be one site, or one person with 65,536 /64. */
  callersOfGroup: 4,
  /** How often running jobs are looked at: what a bucket can be overdrawn by, times cores. */
  sampleMs: 100,
  /** A caller with credit that has waited so long for a slot gets that of a sleeper. */
  patienceMs: 5_000,
  /** A job sleeps when it has used less than this part of a core for so long. */
  sleepMs: 5_000,
  sleepCpus: 0.01,
  /** A caller whose sleeper gave way comes so much later to its next turn than others do. */
  lateMs: 60_000,
  /** What is asked to make room is gone after this, or one more is asked. */
  leavingMs: 1_000,
  /** An upload slower than this may lose its place to another caller's. */
  slowAfterMs: 5_000,
  slowBytesPerSecond: 256 * KIB,
  /** Of the RAM budget: from here on those who hold most give way. */
  ramPart: 0.8,
} as const;

/** What the service as a whole holds. */
export const SERVICE_LIMITS = {
  queue: 1000,
  slotsMost: 256,
  bytesPerSlot: 64 * MIB,
  /** For so many running jobs one more box may be kept for its outputs. */
  runningToKept: 4,
  /** Boxes made before a job asks for them. */
  waitingBoxes: 16,
  /** Least memory for jobs that a service may be given. */
  ramBudgetLeastBytes: 256 * MIB,
  /** How long a finished job is kept. */
  finishedMs: 60_000,
  /** How long a download that is under way can keep an expired job. */
  leaseMs: 600_000,
  /** Finished jobs of all callers. */
  finishedJobs: 10_000,
  /** Uploads begun, of all callers. */
  uploadsBegun: 64,
  /** Of the RAM budget: uploads begun, waiting inputs, finished jobs and waiting boxes may hold 1/n each. */
  ramShare: 4,
  /** How long running jobs may go on when the service is told to stop. */
  graceMs: 30_000,
  /** After how long whoever brings a job meanwhile is told to try again. */
  stopRetrySeconds: 5,
  /** How long nothing may have been here until the process that held jobs is replaced. */
  restMs: 60_000,
  /** How often that is looked at. */
  restLookMs: 2_000,
  /** How long a process that was told to leave waits for connections on which nothing happens. */
  leaveMs: 20_000,
  /** How long `/run` waits before it answers 202; below the 60 s of common proxies. */
  runWaitSeconds: { least: 0, usual: 50, most: 300 },
} as const;

/** What the client and the command line take from a server or a caller's terminal. */
export const CLIENT_LIMITS = {
  /** One JSON answer: printed output twice, each byte at most six in JSON, and inline files. */
  jsonBytes: 160 * MIB,
  /** How long the command line waits in one request before it asks for the status instead. */
  runWaitSeconds: 5,
  /** How long it waits for a result in one answer before it follows the job live. */
  quickRunSeconds: 0.3,
  statusEveryMs: 500,
  /** A body from this size on is sent with a bar on the terminal. */
  shownBodyBytes: 1 * MIB,
  /** One event of a live stream. */
  frameCharacters: 256 * KIB,
  /** Events of a WebSocket that wait for their reader: a whole log, and more. */
  unreadCharacters: 16 * MIB,
  /** A live stream that shows no sign of life for so long is opened again. */
  silenceMs: 45_000,
  /** How often that is tried without anything new, and how long the pauses between may grow. */
  reconnects: 8,
  reconnectMostMs: 15_000,
  /** Input to a job: one message, and how much may be on its way. */
  inputPieceBytes: 16 * KIB,
  inputWindowBytes: 64 * KIB,
} as const;

/**
 * What the tools for agents take and give. A model reads the results, so they show far less than
 * a job may print and make; what is left out is said.
 */
export const MCP_LIMITS = {
  /** One message that comes in: a job of `jsonBodyBytes` and what stands around it. */
  messageBytes: 10 * MIB,
  /** Seconds of a job that asks for none: many agent programs give up on a call after 60. */
  timeoutSeconds: 30,
  /** How long one look at a job waits for its end; progress is told as often. */
  followSeconds: 1,
  /** Shown of each stream: its beginning and its end. */
  headCharacters: 12_000,
  tailCharacters: 6_000,
  /** Output files that a result names. */
  filesShown: 50,
  imagesShown: 4,
  /** Of the images in one result; in base64 a third more. */
  imageBytes: 3 * MIB,
  /** Of a text that is read at once. */
  readBytes: 48 * KIB,
  /** Of a file that is read as a resource: in base64 below what clients take in one message. */
  resourceBytes: 6 * MIB,
  /** Calls over HTTP whose answers are not out yet: an answer that nobody reads holds memory. */
  callsPerCaller: 24,
  calls: 256,
  /** Of the token by which progress is told: it comes back with every message. */
  tokenCharacters: 256,
  /** Boxes of a session on this machine. */
  localSlots: 4,
  /** How long a session on this machine keeps a finished job: models think between two calls. */
  localFinishedMs: 600_000,
} as const;

/** What a job gets that comes in Piston's form; milliseconds, as its clients count. */
export const PISTON_LIMITS = {
  timeoutUsual: { compile: 10_000, run: 3000 },
  /** Of each: its clients wait for the answer. */
  timeoutMost: 120_000,
  /** How long a WebSocket may take to say what it wants to run. */
  initMs: 10_000,
} as const;

/** What one connection may take before the API looks at a request. */
export const HTTP_LIMITS = {
  /** Request line and headers together. */
  headerBytes: 16 * KIB,
  /** From the first byte to the end of the headers. */
  headersMs: 20_000,
  /** From the first byte to the end of the body: 100 MB at 175 kB/s. */
  requestMs: 600_000,
  /** Between two requests of one connection. */
  keepAliveMs: 15_000,
  /** How often the three above are looked at. */
  checkMs: 5_000,
  /** No byte in either direction; longer than `/run` can wait. */
  idleMs: 360_000,
  /** An answer larger than a connection holds anyway is cut when nothing of it was taken for so long. */
  stallMs: 30_000,
  unreadBytes: 16 * KIB,
  connections: 4096,
  /** How long what comes of a request is read on that was answered already. */
  lingerMs: 10_000,
  /** How long `close` waits for answers that are under way. */
  drainMs: 10_000,
} as const;

/** What following a job live may take. */
export const STREAM_LIMITS = {
  /** Printed bytes in one frame; JSON may need six characters for one of them. */
  frameBytes: 16 * KIB,
  /** Frames that are made for one reader before everybody else has a turn. */
  framesAtOnce: 64,
  /** What may wait in our memory for one reader's socket, beside the kernel's own buffers. */
  unsentBytes: 64 * KIB,
  /** Connections that follow a job. */
  perCaller: 64,
  total: 1024,
  /** Columns or rows of a terminal. */
  terminalSideMost: 1000,
  /** One message from a client. */
  messageBytes: 128 * KIB,
  /** Pieces that a message may come in. */
  messageFragments: 256,
  /** A client is read no further while this much of its input waits for the program. */
  stdinPauseBytes: 64 * KIB,
  /** Input of one job that waits, from all its clients. */
  stdinWaitingBytes: 512 * KIB,
  /** A sign of life on a silent stream, and how long a WebSocket has to answer one. */
  heartbeatMs: 15_000,
  /** How often a stream of a waiting job looks at its place in the queue. */
  queueLookMs: 2_000,
  /** What a client is told to wait before it connects again. */
  retryMs: 1_000,
} as const;

/** From where on `sandrun doctor` has something to say, and how much it reads. */
export const DOCTOR_LIMITS = {
  /** Of each file that it looks at. */
  fileBytes: 1 * MIB,
  /** Since the running kernel was built. */
  kernelDays: 90,
  /** Before the certificate ends. */
  certificateDays: 21,
  ramLeastBytes: 1024 * MIB,
  diskLeastBytes: 512 * MIB,
  /** Of one process: all connections, and up to eight for each job that can run at once. */
  openFilesLeast: 8192,
} as const;
