// One file: what the suites of sample/ load is loaded once.
import './sample/images.suite.js';
import './sample/main.suite.js';
import './sample/readme.suite.js';
import './sample/stories.suite.js';
import './sample/webhooks.suite.js';
