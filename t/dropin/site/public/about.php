<?php
header('Last-Modified: Sat, 01 Jan 2022 00:00:00 GMT');
header('X-Path-Info: ' . ($_SERVER['PATH_INFO'] ?? ''));
echo "About the shop\n";
