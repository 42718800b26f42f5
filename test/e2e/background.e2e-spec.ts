// One file: what the suites of background/ load is loaded once.
import './background/every-instance.suite.js';
import './background/failing-bodies.suite.js';
import './background/methods.suite.js';
import './background/schedules.suite.js';
import './background/two-apps.suite.js';
