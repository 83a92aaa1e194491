# holy_sheep_websocket.py
import asyncio
import aiohttp
import json
import os

class HolySheepWebSocketClient:
    def __init__(self, api_key: str):
        self.api_key = api_key
        self.base_url = os.environ['GATEWAY_URL']
        self.session = None
        self.websocket = None

    async def connect(self, model: str = 'claude-sonnet-4-20250514'):
        """HolySheep AI WebSocket 연결"""
        headers = {
            'Authorization': f'Bearer {self.api_key}',
            'Content-Type': 'application/json'
        }
        
        self.session = aiohttp.ClientSession()
        self.websocket = await self.session.ws_connect(
            f'{self.base_url}?model={model}',
            headers=headers
        )
        print('✅ HolySheep AI WebSocket 연결 성공')
        return self

    async def send_message(self, messages: list, 
                          max_tokens: int = 2048,
                          temperature: float = 0.7):
        """스트리밍 메시지 전송 및 응답 처리"""
        payload = {
            'model': 'claude-sonnet-4-20250514',
            'messages': messages,
            'stream': True,
            'max_tokens': max_tokens,
            'temperature': temperature
        }
        
        await self.websocket.send_json(payload)
        full_response = []
        
        async for msg in self.websocket:
            if msg.type == aiohttp.WSMsgType.TEXT:
                data = json.loads(msg.data)
                
                # 스트리밍 토큰 처리
                if 'choices' in data and len(data['choices']) > 0:
                    delta = data['choices'][0].get('delta', {})
                    content = delta.get('content', '')
                    
                    if content:
                        print(content, end='', flush=True)
                        full_response.append(content)
                
                # 스트리밍 완료 체크
                if data.get('choices', [{}])[0].get('finish_reason'):
                    break
                    
            elif msg.type == aiohttp.WSMsgType.ERROR:
                print(f'❌ WebSocket 오류: {msg.data}')
                break

        return ''.join(full_response)

    async def close(self):
        """연결 종료"""
        if self.websocket:
            await self.websocket.close()
        if self.session:
            await self.session.close()
        print('🔌 HolySheep AI 연결 종료')


# 사용 예시
async def main():
    client = HolySheepWebSocketClient(os.environ['GATEWAY_API_KEY'])

    try:
        await client.connect()

        messages = [
            {'role': 'system', 'content': '당신은 전문적인 기술 작가입니다.'},
            {'role': 'user', 'content': 'AI API 비용 최적화 전략 3가지를 설명해주세요.'}
        ]

        print('\n📡 HolySheep AI 스트리밍 응답:\n')
        response = await client.send_message(messages)
        print(f'\n\n✅ 응답 완료 (총 {len(response)} 토큰)')

    finally:
        await client.close()


if __name__ == '__main__':
    asyncio.run(main())
