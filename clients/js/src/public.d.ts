/**
 * The public types of `swanbridge`. What is not here is ours to change.
 * `test/surface.ts` holds the sources and Baidu's typings against this file.
 */

/** Connect to a daemon and open a session. Rejects with `SwanError` (`ConnectionLost` when nothing answered). */
export function connect(options: ConnectOptions): Promise<Swan>;

/** An error of the daemon or of the argument check; `errCode` is swan's or JSON-RPC's number. */
export class SwanError extends Error {
    constructor(errCode: number, errMsg: string, extra?: { name?: string; detail?: unknown });
    readonly errCode: number;
    readonly errMsg: string;
    /** More about it, where the daemon gave more. */
    readonly detail: unknown;
}

/** The call's answer will never come: the socket was lost, or the session is closed. */
export class ConnectionLost extends SwanError {
    constructor(errMsg: string, extra?: { status?: number });
    /** The HTTP status that refused the socket, where it can be seen (not in browsers). */
    readonly status: number | undefined;
}

export interface ConnectOptions {
    /** As the daemon prints it (`http://host:port/?token=…`), or `ws://…`. A page's own origin when absent. */
    url?: string | URL;
    /** Stands before the one in `url`. */
    token?: string;
    /** The program's name; its saved files belong to it. Default `swanbridge-js`. */
    appId?: string;
    /** The program's own files on the daemon's machine: `/t.mp3` is `packageRoot/t.mp3`. */
    packageRoot?: string;
    /** Seconds between two onTimeUpdate; 0 for none. Default 0.25. */
    timeUpdateInterval?: number;
    persona?: string;
    /** Make `swan` a global, as programs expect it, until it is closed. Default false. */
    install?: boolean;
    /** Come back after a lost socket. Default true. */
    reconnect?: boolean;
}

export interface Clock {
    mode: 'real' | 'virtual';
    /** Seconds. */
    now: number;
}

export interface SessionState {
    readonly sessionId: string;
    /** Another epoch means another daemon process. */
    readonly epoch: string;
    readonly protocol: number;
    readonly server: { name: string; version: string };
    /** As it was when the session was opened; `swan.control.clock.now()` asks anew. */
    readonly clock: Clock;
    /** The last event that came. */
    readonly lastSeq: number;
    readonly connected: boolean;
}

/** What any event carries on the wire. */
export interface EventParams {
    /** Counts per session. */
    seq?: number;
    /** Seconds of the daemon's clock. */
    at?: number;
    /** How many events of progress were left out just before this one. */
    skipped?: number;
    [field: string]: unknown;
}

export interface Callbacks<Result> {
    success?: (result: Result) => void;
    fail?: (error: { errCode: number; errMsg: string }) => void;
    complete?: (outcome: Result | { errCode: number; errMsg: string }) => void;
}

/** A promise where none of the three callbacks is given, otherwise nothing. */
export interface SwanFunction<Options extends object, Result> {
    (options: Options & Callbacks<Result> & ({ success: Function } | { fail: Function } | { complete: Function })): void;
    (options?: Options): Promise<Result>;
}

/** What an audio listener gets: the payload's fields, and once more the payload as `data`. */
export type AudioEvent<Payload extends object> = Payload & { type: string; data: Payload };
export type AudioListener<Payload extends object = {}> = (event: AudioEvent<Payload>) => void;
export interface AudioProgress {
    currentTime: number;
    duration: number;
}
export interface AudioError {
    /** 10001 system, 10002 network, 10003 file, 10004 format, -1 unknown. */
    errCode: number;
    errMsg: string;
}

/** One sound. Times are seconds; methods return nothing, what became of them comes as events. */
export interface InnerAudioContext {
    src: string;
    startTime: number;
    autoplay: boolean;
    loop: boolean;
    obeyMuteSwitch: boolean;
    /** 0 to 1. */
    volume: number;
    /** 0.5 to 2; the pitch is kept. */
    playbackRate: number;
    readonly duration: number;
    readonly currentTime: number;
    /** True while paused or stopped; follows the events. */
    readonly paused: boolean;
    readonly buffered: number;
    play(): void;
    pause(): void;
    stop(): void;
    seek(position: number | { position: number }): void;
    destroy(): void;
    onCanplay(listener: AudioListener): void;
    onPlay(listener: AudioListener): void;
    onPause(listener: AudioListener): void;
    onStop(listener: AudioListener): void;
    onEnded(listener: AudioListener): void;
    onTimeUpdate(listener: AudioListener<AudioProgress>): void;
    onError(listener: AudioListener<AudioError>): void;
    onWaiting(listener: AudioListener): void;
    onSeeking(listener: AudioListener): void;
    onSeeked(listener: AudioListener): void;
    offCanplay(listener?: AudioListener): void;
    offPlay(listener?: AudioListener): void;
    offPause(listener?: AudioListener): void;
    offStop(listener?: AudioListener): void;
    offEnded(listener?: AudioListener): void;
    offTimeUpdate(listener?: AudioListener<AudioProgress>): void;
    offError(listener?: AudioListener<AudioError>): void;
    offWaiting(listener?: AudioListener): void;
    offSeeking(listener?: AudioListener): void;
    offSeeked(listener?: AudioListener): void;
}

/** A control call takes its params as one object, or the usual ones in order. */
export interface Control {
    clock: {
        now(): Promise<Clock>;
        advance(seconds: number | { seconds: number }): Promise<{ now: number }>;
        run_until(event: string, limit: number): Promise<{ now: number; event?: EventParams }>;
        run_until(params: { event: string; limit: number }): Promise<{ now: number; event?: EventParams }>;
    };
    session: {
        list(): Promise<{ sessions: SessionInfo[] }>;
        snapshot(sessionId?: string | { sessionId?: string }): Promise<Snapshot>;
        close(sessionId?: string | { sessionId?: string }): Promise<{}>;
    };
    journal: {
        read(params?: { sessionId?: string; fromSeq?: number; limit?: number }): Promise<{
            entries: { method: string; params: EventParams }[];
            truncated: boolean;
        }>;
    };
    file: {
        url(filePath: string, expiresIn?: number): Promise<{ url: string }>;
        url(params: { filePath: string; expiresIn?: number }): Promise<{ url: string }>;
    };
    device: {
        list(): Promise<{ devices: Device[] }>;
        select(kind: string, deviceId: string): Promise<{}>;
        select(params: { kind: string; deviceId: string }): Promise<{}>;
    };
    speaker: {
        capture: {
            start(sessionId?: string | { sessionId?: string }): Promise<{ captureId: string }>;
            stop(captureId: string | { captureId: string }): Promise<CaptureFile>;
            describe(captureId: string | { captureId: string }): Promise<CaptureDescription>;
            find(captureId: string, filePath: string): Promise<{ matches: { at: number; score: number }[] }>;
            find(params: { captureId: string; filePath: string; from?: number; to?: number }): Promise<{
                matches: { at: number; score: number }[];
            }>;
        };
    };
}

export interface SessionInfo {
    sessionId: string;
    appId: string;
    connected: boolean;
    openedAt: number;
    seq: number;
}

export interface Snapshot {
    sessionId: string;
    appId: string;
    seq: number;
    clock: Clock;
    options: Record<string, unknown>;
    /** By family, then by id: `objects.innerAudioContext.a1.currentTime`. */
    objects: Record<string, Record<string, Record<string, unknown>>>;
}

export interface Device {
    kind: 'speaker' | 'microphone' | 'camera';
    deviceId: string;
    name: string;
    virtual: boolean;
    present: boolean;
    selected: boolean;
}

export interface CaptureFile {
    filePath: string;
    duration: number;
    sampleRate: number;
    numberOfChannels: number;
}

export interface CaptureDescription {
    duration: number;
    /** Levels in dBFS, absent for silence; frequency in Hz. */
    segments: {
        start: number;
        end: number;
        kind: 'sound' | 'silence';
        rms: number;
        peak: number;
        dominantFrequency: number;
    }[];
    dropouts: { at: number; length: number }[];
}

/** The seed's `swan`, and beside it the session and the tester's side. */
export interface Swan {
    createInnerAudioContext(): InnerAudioContext;
    setInnerAudioOption: SwanFunction<{ mixWithOther?: boolean; obeyMuteSwitch?: boolean }, { errMsg: string }>;
    readonly session: SessionState;
    readonly control: Control;
    /** Any method of the protocol by its wire name. */
    call(method: string, params?: object): Promise<any>;
    /** Hear an event by its wire name, with all it carries; the answer ends that. */
    on(event: string, listener: (params: EventParams) => void): () => void;
    /** End the session and all that it holds; calls still waiting reject with `ConnectionLost`. */
    close(): Promise<void>;
}
