"""A real Chromium that looks at the console: steps people take, and what is measured of a page."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

import harness

SHOTS = Path(os.environ.get("ECLUSA_SCREENSHOTS", Path(tempfile.gettempdir()) / "eclusa-console"))
HEIGHTS = {1440: 900, 360: 740}


class Browser:
    """One browser with a profile of its own."""

    def __init__(self, base, width=1440, language="en", is_dark=False):
        self.base, self.width, self.language = base, width, language
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--lang={language}", f"--window-size={width},{HEIGHTS[width]}"):
            options.add_argument(word)
        options.add_experimental_option("prefs", {"intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        theme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        self.resize(HEIGHTS[width])
        self.name = f"{width}-{language}-{'dark' if is_dark else 'light'}"

    def resize(self, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": self.width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def close(self):
        self.driver.quit()

    # Looking

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition, what, seconds=15):
        """Polls the page, which has no signal to wait for; bounded."""
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(StaleElementReferenceException):
                answer = condition()
                if answer:
                    return answer
            if time.monotonic() > deadline:
                self.shoot("failed")
                raise AssertionError(f"not within {seconds} s: {what}\n{self.text()}\n{self.complaints()}")
            time.sleep(0.05)

    def settled(self):
        self.wait(lambda: self.run(
            "return document.querySelector('h1') && !document.querySelector('.loading, [aria-busy=true]')"), "a page")

    def text(self):
        return self.run("return (document.querySelector('main') ?? document.body).innerText")

    def sees(self, text, seconds=15):
        return self.wait(lambda: text in self.run("return document.body.innerText"), f"“{text}”", seconds)

    def find(self, selector):
        return self.wait(lambda: next((one for one in self.driver.find_elements(By.CSS_SELECTOR, selector)
                                       if one.is_displayed()), None), selector)

    def complaints(self):
        """What the browser's console said that is an error, but for refusals of the API that a test asks for."""
        return [line["message"] for line in self.driver.get_log("browser")
                if line["level"] == "SEVERE" and "the server responded with a status of" not in line["message"]]

    # Doing

    def open(self, path):
        self.driver.get(self.base + "/console" + path)
        self.settled()

    def press(self, text, within="body"):
        """The button or link of exactly this text."""
        script = """return [...document.querySelector(arguments[0]).querySelectorAll('button, a')]
            .filter((one) => one.innerText.trim() === arguments[1] && one.checkVisibility() && !one.disabled).at(-1)"""
        def press():
            button = self.run(script, within, text)
            if button is None:
                return False
            self.run("arguments[0].scrollIntoView({ block: 'center' })", button)
            button.click()
            return True

        # A page that moves by itself may put another in a button's place meanwhile.
        self.wait(press, f"a button “{text}”")

    def type(self, name, text):
        field = self.find(f"[name='{name}']")
        field.clear()
        field.send_keys(text)
        return field

    def choose(self, name, text):
        def option():
            choice = Select(self.find(f"[name='{name}']"))
            return next((one for one in choice.options if text in one.text), None)

        self.wait(option, f"“{text}” in {name}")
        Select(self.find(f"[name='{name}']")).select_by_visible_text(option().text)

    def sign_in(self, email=harness.ADMIN_EMAIL, password=harness.PASSWORD):
        self.find("[name=email]")
        self.type("email", email)
        self.type("password", password)
        self.find("button.primary").click()

    def enter(self, path="/"):
        """Signs in and shows a page."""
        self.open("/")
        self.sign_in()
        self.find(".shell")
        self.settled()
        if path != "/":
            self.open(path)

    # Judging

    def shoot(self, name):
        """Keeps a picture of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.resize(min(3000, max(HEIGHTS[self.width], self.run("return document.documentElement.scrollHeight"))))
        self.driver.save_screenshot(str(SHOTS / f"{name}-{self.name}.png"))
        self.resize(HEIGHTS[self.width])

    def findings(self):
        """What axe-core holds to be serious or critical."""
        result = Axe().run(self.driver, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]})
        return [f"{found['id']}: {found['help']}: {[node['html'][:160] for node in found['nodes'][:3]]}"
                for found in result["violations"] if found["impact"] in ("serious", "critical")]

    def overflow(self):
        """How far the page is wider than the screen."""
        return self.run("return document.documentElement.scrollWidth - window.innerWidth")
