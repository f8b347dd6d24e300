<?php
echo 'An old script below /chat, asked with ', $_SERVER['QUERY_STRING'], "\n";
