<?php
/* Debian's php-redis on the control socket. */
$control = getenv("WSPUSH_SITE") . "/control.sock";

function connect(): Redis
{
    global $control;
    $redis = new Redis();
    $redis->connect($control);
    $redis->setOption(Redis::OPT_READ_TIMEOUT, 10);
    return $redis;
}

function equal($got, $expected): void
{
    if ($got !== $expected)
        throw new Error(json_encode($got) . " instead of " . json_encode($expected));
}

function check(string $sentence, callable $body): void
{
    $program = "php-redis " . phpversion("redis");
    try {
        $body();
        echo "ok    $program: $sentence\n";
    } catch (Throwable $error) {
        echo "FAIL  $program: $sentence\n      line {$error->getLine()}: {$error->getMessage()}\n";
    }
}

/* What the callback of the first message gets, which another process publishes when somebody watches. Nothing but the
 * connection's end ends the library's loop. */
function first_heard(callable $subscribe, array $count, string $channel): array
{
    $publisher = pcntl_fork();
    if ($publisher === 0) {
        $redis = connect();
        for ($i = 0; $i < 500 && !array_sum(array_filter((array)$redis->rawCommand(...$count), "is_int")); $i++)
            usleep(20000);
        $redis->publish($channel, "hello 房间");
        posix_kill(getmypid(), SIGKILL); /* without the end of what is the other's */
    }
    $heard = [];
    try {
        $subscribe(connect(), function ($redis, ...$what) use (&$heard) {
            $heard = $what;
            $redis->close();
        });
    } catch (RedisException) {
    } finally {
        pcntl_waitpid($publisher, $status);
    }
    return $heard;
}

check("publish, WS.SEND, a pipeline, MULTI", function () {
    $redis = connect();
    equal($redis->publish("php1", "hi"), 0);
    [$recipients, $id] = $redis->rawCommand("WS.SEND", "php1", "hi");
    equal([$recipients, preg_match('/^\d+-2$/', $id)], [0, 1]);
    equal($redis->pipeline()->publish("php1", "a")->publish("php1", "b")->exec(), [0, 0]);
    equal($redis->multi()->publish("php1", "a")->publish("php1", "b")->exec(), [0, 0]);
});

/* A browser of that user, as far as PHP has one: a handshake, and the frames' bytes. */
function browser(string $path)
{
    $socket = stream_socket_client("tcp://127.0.0.1:" . getenv("WSPUSH_PORT"), $code, $text, 10);
    stream_set_timeout($socket, 10);
    fwrite($socket, "GET /$path/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" .
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    equal(fgets($socket), "HTTP/1.1 101 Switching Protocols\r\n");
    while (fgets($socket) !== "\r\n")
        ;
    return $socket;
}

check("publish and WS.SEND to a channel with a browser, and to @user:", function () {
    $redis = connect();
    $browser = browser("of/php4/a");
    equal($redis->publish("of/php4/a", "one"), 1);
    equal($redis->publish("@user:php4", "two"), 1);
    equal($redis->rawCommand("WS.SEND", "@user:php4", "three", "WAIT", "handed"), [1, false, ["handed", 1], []]);
    equal($redis->publish("@user:nobody", "four"), 0);
    equal(stream_get_contents($browser, 17), "\x81\x03one\x81\x03two\x81\x05three");
});

check("subscribe", function () {
    $subscribe = fn($redis, $callback) => $redis->subscribe(["php2", "@in:php2"], $callback);
    equal(first_heard($subscribe, ["PUBSUB", "NUMSUB", "php2"], "php2"), ["php2", "hello 房间"]);
});

check("psubscribe", function () {
    $subscribe = fn($redis, $callback) => $redis->psubscribe(["php3/*"], $callback);
    equal(first_heard($subscribe, ["PUBSUB", "NUMPAT"], "php3/a"), ["php3/*", "php3/a", "hello 房间"]);
});

check("pubsub", function () {
    $redis = connect();
    equal($redis->pubsub("numsub", ["nobody"]), ["nobody" => 0]);
    equal($redis->pubsub("channels", "nobody*"), []);
});

echo "end\n";
