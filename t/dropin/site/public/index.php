<?php
// The front controller: whatever is not a file comes here, and what it does not know is a 404 of its own.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?? '/';
$method = $_SERVER['REQUEST_METHOD'];

function page(string $title, string $text, int $status = 200): void
{
    http_response_code($status);
    echo "<!doctype html><title>$title</title><h1>$title</h1>\n<p>", htmlspecialchars($text), "</p>\n";
}

// What the script is told about the request, but for what differs from one request to the next.
function told(): array
{
    $told = array_diff_key($_SERVER, array_flip(['REQUEST_TIME', 'REQUEST_TIME_FLOAT', 'REMOTE_PORT']));
    ksort($told);
    return $told;
}

if ($path === '/') {
    page('The shop', 'q is ' . ($_GET['q'] ?? 'not there') . str_repeat(' and there is much to buy', 40));
} elseif (preg_match('~^/chat(/([^/]*))?$~', urldecode($path), $found)) {
    header('Vary: Accept-Language');
    if ($method === 'POST') {
        setcookie('spoke', 'yes', ['path' => '/chat', 'httponly' => true]);
        page('Said', 'You said: ' . ($_POST['text'] ?? file_get_contents('php://input')));
    } elseif ($method === 'DELETE') {
        http_response_code(204);
    } else {
        page('Chat', 'Room ' . ($found[2] ?? 'hall') . ', you are ' . ($_COOKIE['name'] ?? 'new') . ', page ' . ($_GET['page'] ?? 1));
    }
} elseif ($path === '/told' || str_starts_with($path, '/chat/told/')) {
    header('Content-Type: application/json');
    echo json_encode(told(), JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
} elseif ($path === '/session') {
    session_start();
    $_SESSION['seen'] = 'yes';
    page('Session', session_id());
} elseif ($path === '/upload') {
    foreach ($_FILES as $name => $file) {
        echo "$name: {$file['name']}, {$file['size']} bytes, ", hash_file('sha256', $file['tmp_name']), "\n";
    }
    echo 'fields: ', json_encode($_POST), "\n";
} elseif ($path === '/broken') {
    http_response_code(500);
    echo "something is broken\n";
} elseif ($path === '/away') {
    header('Location: /chat?from=away', true, 302);
} else {
    page('Not here', "There is no $path", 404);
}
