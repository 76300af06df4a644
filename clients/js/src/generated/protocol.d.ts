/**
 * The wire protocol of swanbridge, version 1.
 * Made by protocol/generate.py from the models; edits will be lost.
 */

/** How far; at most a day at once. */
export interface AdvanceParams {
    /** Seconds, 0 to 86,400. */
    seconds: number;
}

/** Where the clock stands. */
export interface AdvanceResult {
    /** Seconds. */
    now: number;
}

/** Why playing cannot go on: 10001 system, 10002 network, 10003 file, 10004 format, -1 unknown. */
export interface AudioError {
    contextId: string;
    /** 0 until known; six decimals. Seconds. */
    duration: number;
    /** Six decimals. Seconds. */
    currentTime: number;
    /** True while paused or stopped. */
    paused: boolean;
    /** The source is at hand up to here. Seconds. */
    buffered: number;
    errCode: number;
    errMsg: string;
}

/** Options of the whole session. */
export interface AudioOptionParams {
    mixWithOther?: boolean | null;
    obeyMuteSwitch?: boolean | null;
}

/** `errMsg` as the mini-game documents want it. */
export interface AudioOptionResult {
    errMsg: string;
}

/** The read-only properties; they come with every state event. */
export interface AudioState {
    contextId: string;
    /** 0 until known; six decimals. Seconds. */
    duration: number;
    /** Six decimals. Seconds. */
    currentTime: number;
    /** True while paused or stopped. */
    paused: boolean;
    /** The source is at hand up to here. Seconds. */
    buffered: number;
}

/** A 16-bit WAV in the caller's temp store. */
export interface CaptureFile {
    filePath: string;
    /** Seconds. */
    duration: number;
    sampleRate: number;
    numberOfChannels: number;
}

/** A capture of the caller's session. */
export interface CaptureRef {
    /** 1 to 128 characters. */
    captureId: string;
}

/** The caller's own share; `"all"` for the mix, a session's id for another's. */
export interface CaptureStartParams {
    /** At most 128 characters. */
    sessionId?: string | null;
}

/** The capture runs. */
export interface CaptureStarted {
    captureId: string;
}

/** Which clock the daemon runs on and what it shows. */
export interface ClockState {
    mode: 'real' | 'virtual';
    /** Seconds. */
    now: number;
}

/** Names one context of the session. */
export interface ContextParams {
    /** Chosen by the client. 1 to 128 characters. */
    contextId: string;
}

/** What a capture holds. */
export interface Description {
    /** Seconds. */
    duration: number;
    segments: Segment[];
    dropouts: Dropout[];
}

/** One device, real or virtual. */
export interface Device {
    kind: 'speaker' | 'microphone' | 'camera';
    deviceId: string;
    name: string;
    virtual: boolean;
    present: boolean;
    selected: boolean;
}

/** All devices. */
export interface DeviceList {
    devices: Device[];
}

/** Which device to use from now on. */
export interface DeviceSelectParams {
    kind: 'speaker';
    /** 1 to 256 characters. */
    deviceId: string;
}

/** Sound was due and was not there. */
export interface Dropout {
    /** Seconds. */
    at: number;
    /** Seconds. */
    length: number;
}

/** What every event's params begin with; the event's own payload stands beside it. */
export interface EventHead {
    /** Counts per session, without gaps. At least 1. */
    seq: number;
    /** The daemon's clock; six decimals. Seconds. */
    at: number;
    /** How many events of progress were left out just before this one. At least 1. */
    skipped?: number;
}

/** Which clip to look for, and where. */
export interface FindParams {
    /** 1 to 128 characters. */
    captureId: string;
    /** 1 to 4,096 characters. */
    filePath: string;
    /** Seconds, at least 0. */
    from?: number | null;
    /** Seconds, at least 0. */
    to?: number | null;
}

/** Where the clip occurs, in order of time. */
export interface FindResult {
    matches: Match[];
}

/** A stretch of a session's journal. */
export interface JournalParams {
    /** At most 128 characters. */
    sessionId?: string | null;
    /** At least 1, default 1. */
    fromSeq?: number;
    /** 1 to 10,000, default 1000. */
    limit?: number;
}

/** Entries as they went out: `{method, params}`; `truncated` when `fromSeq` is no longer kept. */
export interface JournalResult {
    entries: Record<string, unknown>[];
    truncated: boolean;
}

/** The clip begins here; `score` is the normalised correlation, 1 for the very same samples. */
export interface Match {
    /** Seconds. */
    at: number;
    score: number;
}

/** A control method without parameters. */
export type NoParams = Record<string, never>;

/** An empty object. */
export type Nothing = Record<string, never>;

/** Who the program is and what it wants. */
export interface OpenParams {
    /** Who the program is; what is remembered is remembered for it. 1 to 128 characters, matches `^[A-Za-z0-9][A-Za-z0-9._-]*$`. */
    appId: string;
    /** The version that the client speaks: 1. */
    protocol: number;
    /** The program's own files. At most 4,096 characters. */
    packageRoot?: string | null;
    /** Period of onTimeUpdate; 0 for none, else at least 0.015. Seconds, 0 to 3,600, default 0.25. */
    timeUpdateInterval?: number;
    /** Which phone's habits to follow. */
    persona?: 'seed' | null;
    resume?: Resume | null;
}

/** The session; `truncated` says that events after `lastSeq` are lost and a snapshot is due. */
export interface OpenResult {
    sessionId: string;
    epoch: string;
    protocol: number;
    server: ServerInfo;
    clock: ClockState;
    resumed: boolean;
    truncated: boolean;
}

/** An OpenRPC document. */
export interface OpenRpcDocument {
    openrpc: string;
    info: Record<string, unknown>;
    methods: Record<string, unknown>[];
    components: Record<string, unknown>;
    'x-events': Record<string, unknown>[];
    [member: string]: unknown;
}

/** Take up a session again after its socket was lost. */
export interface Resume {
    /** At most 128 characters. */
    sessionId: string;
    /** As `session.open` gave it; another one means another daemon. At most 128 characters. */
    epoch: string;
    /** The last event that was received. At least 0. */
    lastSeq: number;
}

/** Which event to stop at, and how many seconds to give it at most. */
export interface RunUntilParams {
    /** A wire name, `innerAudioContext.onEnded`. 1 to 128 characters. */
    event: string;
    /** Seconds, 0 to 86,400. */
    limit: number;
}

/** Where the clock stands, and the event's params if it came. */
export interface RunUntilResult {
    /** Seconds. */
    now: number;
    event?: Record<string, unknown>;
}

/** Where to go; clamped to what the source has. */
export interface SeekParams {
    /** Chosen by the client. 1 to 128 characters. */
    contextId: string;
    /** Seconds. */
    position: number;
}

/** A stretch of sound or of silence; levels in dBFS, frequency in Hz. */
export interface Segment {
    /** Seconds. */
    start: number;
    /** Seconds. */
    end: number;
    kind: 'sound' | 'silence';
    /** DBFS; -120 for digital silence. */
    rms: number;
    /** DBFS; -120 for digital silence. */
    peak: number;
    /** Hz; 0 for silence. */
    dominantFrequency: number;
}

/** What answered. */
export interface ServerInfo {
    name: string;
    version: string;
}

/** One line of `session.list`. */
export interface SessionInfo {
    sessionId: string;
    appId: string;
    connected: boolean;
    /** Seconds. */
    openedAt: number;
    seq: number;
}

/** All sessions, oldest first. */
export interface SessionList {
    sessions: SessionInfo[];
}

/** A session; the caller's own when absent. */
export interface SessionRef {
    /** At most 128 characters. */
    sessionId?: string | null;
}

/** Any of the writable properties; what is absent stays as it is. */
export interface SetParams {
    /** Chosen by the client. 1 to 128 characters. */
    contextId: string;
    /** A path of the session or package, http(s):// or data: URL. At most 4,194,304 characters. */
    src?: string | null;
    /** Where playing begins. Seconds, at least 0. */
    startTime?: number | null;
    /** Play as soon as the source can be played. */
    autoplay?: boolean | null;
    /** Begin again at the end, without a gap. */
    loop?: boolean | null;
    /** Heard at once, without a click. 0 to 1. */
    volume?: number | null;
    /** Pitch is kept. 0.5 to 2. */
    playbackRate?: number | null;
    /** Kept and reported; this phone has no mute switch. */
    obeyMuteSwitch?: boolean | null;
}

/** The whole state of a session as of `seq`. `objects` maps a family to its objects by id: `objects.innerAudioContext.a1.currentTime`. */
export interface Snapshot {
    sessionId: string;
    appId: string;
    seq: number;
    clock: ClockState;
    options: Record<string, unknown>;
    objects: Record<string, Record<string, Record<string, unknown>>>;
}

/** Progress. */
export interface TimeUpdate {
    contextId: string;
    /** Seconds. */
    currentTime: number;
    /** Seconds. */
    duration: number;
}

/** Which file, and for how long. */
export interface UrlParams {
    /** A `bdfile://` path of the session. 1 to 4,096 characters. */
    filePath: string;
    /** Seconds, more than 0, at most 86,400, default 3600. */
    expiresIn?: number;
}

/** An absolute, signed URL; it needs no token. */
export interface UrlResult {
    url: string;
}

/** Params and result of each method, by wire name. */
export interface Methods {
    /** Open a session, or resume one. The first call on a socket. */
    'session.open': { params: OpenParams; result: OpenResult };
    /** End a session and all that it holds. Another's needs the control scope. */
    'session.close': { params: SessionRef; result: Nothing };
    /** Every object of a session with its whole state. Another's needs the control scope. */
    'session.snapshot': { params: SessionRef; result: Snapshot };
    /** All sessions of the daemon. */
    'session.list': { params: NoParams; result: SessionList };
    /** Read back what a session was told. Another's needs the control scope. */
    'journal.read': { params: JournalParams; result: JournalResult };
    /** The daemon's clock. */
    'clock.now': { params: NoParams; result: ClockState };
    /** Settle every accepted call, then move the virtual clock; answers after the last event was sent. */
    'clock.advance': { params: AdvanceParams; result: AdvanceResult };
    /** Move the virtual clock to the next such event of the caller's session, or by `limit`. */
    'clock.run_until': { params: RunUntilParams; result: RunUntilResult };
    /** A signed URL of a file, with Range. */
    'file.url': { params: UrlParams; result: UrlResult };
    /** Record what the speaker plays, from this instant. */
    'speaker.capture.start': { params: CaptureStartParams; result: CaptureStarted };
    /** End a capture; its file is complete when the answer comes. */
    'speaker.capture.stop': { params: CaptureRef; result: CaptureFile };
    /** Segments of sound and silence, levels, dominant frequency, drop-outs. Works while it runs, too. */
    'speaker.capture.describe': { params: CaptureRef; result: Description };
    /** Where a clip occurs in a capture. */
    'speaker.capture.find': { params: FindParams; result: FindResult };
    /** Every device the daemon can use. */
    'device.list': { params: NoParams; result: DeviceList };
    /** Use another device; what plays goes on there. */
    'device.select': { params: DeviceSelectParams; result: Nothing };
    /** Make a context under an id that the client chose. */
    'innerAudioContext.create': { params: ContextParams; result: Nothing };
    /** Set properties; a new src is opened at once and autoplay honoured. */
    'innerAudioContext.set': { params: SetParams; result: Nothing };
    /** Play, or go on; without src the answer is 10003. */
    'innerAudioContext.play': { params: ContextParams; result: Nothing };
    /** Pause. */
    'innerAudioContext.pause': { params: ContextParams; result: Nothing };
    /** Stop and go back to the beginning. */
    'innerAudioContext.stop': { params: ContextParams; result: Nothing };
    /** Go to a position; a number or {position}. */
    'innerAudioContext.seek': { params: SeekParams; result: Nothing };
    /** End the context; its id is unknown from then on. */
    'innerAudioContext.destroy': { params: ContextParams; result: Nothing };
    /** Set options for all contexts of the session. */
    setInnerAudioOption: { params: AudioOptionParams; result: AudioOptionResult };
    /** The OpenRPC document of this daemon. */
    'rpc.discover': { params: NoParams; result: OpenRpcDocument };
}

/** Params of each event, by wire name. */
export interface Events {
    /** The source is open and can be played. */
    'innerAudioContext.onCanplay': EventHead & AudioState;
    /** Playing begins or goes on. */
    'innerAudioContext.onPlay': EventHead & AudioState;
    /** Playing paused. */
    'innerAudioContext.onPause': EventHead & AudioState;
    /** Playing stopped; the position is 0. */
    'innerAudioContext.onStop': EventHead & AudioState;
    /** The natural end; never while `loop` is set. */
    'innerAudioContext.onEnded': EventHead & AudioState;
    /** The position moved. */
    'innerAudioContext.onTimeUpdate': EventHead & TimeUpdate;
    /** Playing cannot go on. */
    'innerAudioContext.onError': EventHead & AudioError;
    /** Playing stands still for want of data or of a speaker. */
    'innerAudioContext.onWaiting': EventHead & AudioState;
    /** A seek began. */
    'innerAudioContext.onSeeking': EventHead & AudioState;
    /** A seek is done. */
    'innerAudioContext.onSeeked': EventHead & AudioState;
}

/** The code of each error, by its stable name (`data.name`). */
export interface ErrorCodes {
    /** The frame or body is not JSON. */
    parseError: -32700;
    /** The JSON is not a JSON-RPC 2.0 request. */
    invalidRequest: -32600;
    /** There is no such method. */
    methodNotFound: -32601;
    /** Params of a control method are missing, mistyped or out of range. */
    invalidParams: -32602;
    /** The daemon failed; the log has the reason, the caller has not. */
    internalError: -32603;
    /** The call came before `session.open`. */
    sessionRequired: -32001;
    /** The token's scope is too narrow for the method. */
    forbidden: -32002;
    /** The caller is over a bound: rate, batch size, open objects. */
    tooManyRequests: -32003;
    /** The daemon is stopping and takes no more calls. */
    shuttingDown: -32004;
    /** A control call that the present state does not allow, such as advancing a real clock. */
    illegalState: -32005;
    /** A swan parameter is missing or of the wrong type. */
    argumentError: 904;
    /** A swan parameter is out of range, or names something that does not exist. */
    parameterError: 202;
    /** The call was right and could not be done. */
    executionFailed: 1001;
    /** The path names no file that the session may read. */
    fileNotFound: 2001;
    /** innerAudioContext: the audio system failed. */
    audioSystemError: 10001;
    /** innerAudioContext: the source could not be fetched. */
    audioNetworkError: 10002;
    /** innerAudioContext: there is no such file, or it may not be read. */
    audioFileError: 10003;
    /** innerAudioContext: the bytes are not sound that can be decoded. */
    audioFormatError: 10004;
    /** innerAudioContext: something else. */
    audioUnknownError: -1;
}

export type MethodName = keyof Methods;
export type EventName = keyof Events;
export type ErrorName = keyof ErrorCodes;
