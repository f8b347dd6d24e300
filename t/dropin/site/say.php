<?php
// What the site's owner writes once push is there: the page's own process publishes.
$push = new Redis();
$push->connect('/run/wspush/control.sock');
echo $push->publish('chat', $_POST['text']), "\n";
